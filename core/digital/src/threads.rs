//! Threads of the tensor library.

/// What [`pin_threads`] has fixed, for the run's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Threads of rayon's global pool.
    pub threads: usize,
    /// What this pins, for a person.
    pub what: &'static str,
}

/// Gives rayon's global pool one thread, for the whole process: burn's flex backend cuts its sums and its matrix
/// products by the size of that pool, so that the last bits depend on it. Work of other crates that wants more threads
/// uses pools of its own; the network must not be called from inside one of them.
///
/// # Errors
/// If the global pool was already started with more threads: call this before anything else uses rayon.
pub fn pin_threads() -> Result<Pinned, String> {
    // fails if there is a pool already; what counts is how many threads it has
    let started = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "digital".into()).build_global();
    let threads = rayon::current_num_threads();
    if threads != 1 {
        let why = started.err().map_or_else(|| "called from inside another pool".into(), |error| error.to_string());
        return Err(format!(
            "the digital layers need a thread pool of 1 for reproducible bits, found {threads}: {why}"
        ));
    }
    Ok(Pinned { threads, what: "burn flex (rayon's global pool)" })
}
