//! Functions whose code the first paint does not need, so that it can be a file of its own (`cargo xtask dist`). Called by
//! the parts of the page in `view::later`, and by stores that only such a part asks for something.

use std::future::Future;
use std::pin::Pin;

use wasm_split_helpers::SplitLoaderError;

use crate::api::ApiError;

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

/// A question whose code comes later, on its way to an answer.
pub type Asking<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// The answer. Where the code cannot be fetched, the server cannot be asked either.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn answer<T>(
    asking: impl Future<Output = Result<Asking<T>, SplitLoaderError>>,
) -> Result<T, ApiError> {
    match asking.await {
        Ok(asking) => asking.await,
        Err(_) => Err(ApiError::Unreachable),
    }
}
