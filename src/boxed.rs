//! Effects, handlers and changing parts of the page through one boxed type each.
//!
//! The reactive system and the renderer are compiled anew for each type of closure that they are given, some kilobytes
//! each. Boxed, the closures are of one type. Texts and flags have the same in `view::live`.

use leptos::prelude::{AnyView, Effect, IntoAny, IntoView, RenderEffect, StoredValue};

/// Runs now and whenever something that it read changes.
pub fn effect(run: impl FnMut() + 'static) {
    fn start(run: Box<dyn FnMut()>) {
        Effect::new(run);
    }
    start(Box::new(run));
}

/// The same, told whether it is the first time.
pub fn effect_with_first(mut run: impl FnMut(bool) + 'static) {
    let mut is_first = true;
    effect(move || run(std::mem::replace(&mut is_first, false)));
}

/// The same, but the first time at once, so that what it writes is there before anybody looks.
pub fn render_effect(run: impl FnMut() + 'static) {
    fn start(mut run: Box<dyn FnMut()>) {
        StoredValue::new_local(RenderEffect::new(move |_: Option<()>| run()));
    }
    start(Box::new(run));
}

/// A handler of an event.
pub fn then<E: 'static>(handle: impl FnMut(E) + 'static) -> Box<dyn FnMut(E)> {
    Box::new(handle)
}

/// A part of the page that is made anew whenever something that it read changes.
pub fn dynamic<V: IntoView + 'static>(view: impl Fn() -> V + Send + 'static) -> AnyView {
    fn make(view: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
        (move || view()).into_any()
    }
    make(Box::new(move || view().into_any()))
}
