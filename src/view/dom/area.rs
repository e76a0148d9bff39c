//! Parts of an element that come and go among others that stay, without an element of their own around them.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::{AnyView, Mountable, Owner, Render, StoredValue, document, untrack};
use leptos::tachys::view::any_view::AnyViewState;
use wasm_bindgen::JsCast;
use web_sys::{Element, Node, Text};

use super::El;
use crate::boxed::render_effect;

/// What can stand in an element.
pub enum Piece {
    Made(El),
    /// What is made by the renderer.
    View(AnyView),
    /// Made anew whenever something that it read changes.
    Area(Box<dyn Fn() -> Vec<Piece>>),
}

impl From<El> for Piece {
    fn from(made: El) -> Self {
        Self::Made(made)
    }
}

impl From<AnyView> for Piece {
    fn from(view: AnyView) -> Self {
        Self::View(view)
    }
}

/// Pieces that are made anew whenever something that was read changes.
#[must_use]
pub fn area(content: impl Fn() -> Vec<Piece> + 'static) -> Piece {
    Piece::Area(Box::new(content))
}

/// An element that is made anew whenever something that was read changes, or is absent.
#[must_use]
pub fn maybe(content: impl Fn() -> Option<El> + 'static) -> Piece {
    area(move || content().into_iter().map(Piece::Made).collect())
}

/// A piece in its place.
enum Placed {
    Node(Element),
    View(AnyViewState),
    /// The text is empty and marks where the content ends.
    Area(Text, Content),
}

type Content = Rc<RefCell<Vec<Placed>>>;

/// Puts a piece at the end of an element. It stays as long as the present owner lives.
pub fn put(piece: Piece, parent: &Element) {
    StoredValue::new_local(place(piece, parent, None));
}

/// Puts a piece before what is there; `None` for nothing.
fn place(piece: Piece, parent: &Element, before: Option<&Node>) -> Option<Placed> {
    // A browser refuses none of this: the parent has the marks that were put into it.
    match piece {
        Piece::Made(made) => {
            let element = made.0?;
            let _ = parent.insert_before(&element, before);
            Some(Placed::Node(element))
        }
        Piece::View(view) => {
            let mut state = view.build();
            state.mount(parent, before);
            Some(Placed::View(state))
        }
        Piece::Area(content) => {
            let mark = document().create_text_node("");
            let _ = parent.insert_before(&mark, before);
            let placed = Content::default();
            let shown = Rc::clone(&placed);
            let end = mark.clone();
            render_effect(move || {
                let pieces = content();
                for old in shown.take() {
                    old.take_away();
                }
                let Some(parent) = end.parent_element() else { return };
                let pieces = pieces.into_iter();
                let placed =
                    untrack(|| pieces.filter_map(|piece| place(piece, &parent, Some(&end))).collect());
                *shown.borrow_mut() = placed;
            });
            Some(Placed::Area(mark, placed))
        }
    }
}

impl Placed {
    fn take_away(self) {
        match self {
            Self::Node(element) => element.remove(),
            Self::View(mut state) => state.unmount(),
            Self::Area(mark, content) => {
                for old in content.take() {
                    old.take_away();
                }
                mark.remove();
            }
        }
    }
}

/// Elements before a mark, one for each key. An element stays while its key does: nobody who is at one loses it because of
/// another.
pub fn keyed<K: PartialEq + Clone + 'static>(
    parent: &Element,
    keys: impl Fn() -> Vec<K> + 'static,
    make: impl Fn(K) -> El + 'static,
) {
    let end = document().create_text_node("");
    let _ = parent.append_child(&end);
    let owner = Owner::current().unwrap_or_default();
    let mut shown: Vec<(K, El, Owner)> = Vec::new();
    render_effect(move || {
        let keys = keys();
        for (_, element, owner) in shown.extract_if(.., |(key, ..)| !keys.contains(key)) {
            if let Some(element) = element.element() {
                element.remove();
            }
            owner.cleanup();
        }
        let Some(parent) = end.parent_element() else { return };
        let mut next: Option<Node> = match shown.first() {
            Some((_, element, _)) => element.element().map(|element| element.clone().unchecked_into()),
            None => Some(end.clone().unchecked_into()),
        };
        for (at, key) in keys.into_iter().enumerate() {
            match shown.iter().position(|(other, ..)| *other == key) {
                Some(from) => {
                    let known = shown.remove(from);
                    shown.insert(at, known);
                }
                None => {
                    let own = owner.child();
                    let made = own.with(|| untrack(|| make(key.clone())));
                    shown.insert(at, (key, made, own));
                }
            }
            let Some(node) = shown.get(at).and_then(|(_, element, _)| element.element()) else { continue };
            if next.as_ref().is_some_and(|next| node.is_same_node(Some(next))) {
                next = node.next_sibling();
            } else {
                let _ = parent.insert_before(node, next.as_ref());
            }
        }
    });
}
