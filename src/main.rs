//! Where the browser starts the dashboard.

fn main() {
    #[cfg(debug_assertions)]
    std::panic::set_hook(Box::new(|panic| leptos::logging::error!("{panic}")));
    rollcall::mount();
}
