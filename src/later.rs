//! Functions whose code the first paint does not need, so that it can be a file of its own (`cargo xtask dist`). Called by
//! the parts of the page in `view::later`, and by stores that only such a part asks for something.

/// Makes functions that first fetch the code of all such functions, unless it is here. Where nothing is split (tests,
/// clippy) it is here from the beginning.
macro_rules! later {
    ($name:ident($($argument:ident: $kind:ty),*) -> $made:ty { $make:expr }) => {
        #[cfg(split)]
        #[wasm_split_helpers::wasm_split(later, fallible)]
        fn $name($($argument: $kind),*) -> Result<$made, wasm_split_helpers::SplitLoaderError> {
            Ok($make)
        }
        #[cfg(not(split))]
        async fn $name($($argument: $kind),*) -> Result<$made, wasm_split_helpers::SplitLoaderError> {
            Ok($make)
        }
    };
}

pub(crate) use later;
