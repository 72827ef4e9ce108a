//! The transformer tier on models that the tests make: tiny, random, of every architecture.

mod directories;
mod fetching;
mod forward;
mod reading;
mod tiny;
mod training;

use std::sync::{Mutex, MutexGuard, PoisonError};

use models::cascade::Message;

/// libtorch has one generator of random numbers and one number of threads in a process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tch::set_num_threads(1);
    guard
}

fn messages<T: AsRef<str>>(texts: &[T]) -> Vec<Message> {
    texts.iter().map(|text| Message { text: text.as_ref().to_owned(), ..Message::default() }).collect()
}
