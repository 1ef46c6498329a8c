//! A thread pool with one queue of tasks. It knows nothing about tensors.
//!
//! Each task is a closure that gets the state of the thread that runs it. The caller holds a [`Job`]
//! for its result, and runs tasks itself while it waits. A task that panics yields an error, so no
//! caller waits forever.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};

use super::tch_errors;
use crate::data::THREAD_REFUSED;

type Task<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Threads with a state of type `S` each. Dropping the pool discards queued tasks and waits for the
/// running ones.
pub(super) struct Pool<S> {
    shared: Arc<Shared<S>>,
    threads: Vec<JoinHandle<()>>,
}

/// The pending result of a task.
pub(super) struct Job<T>(Receiver<Result<T>>);

struct Shared<S> {
    queue: Mutex<Queue<S>>,
    changed: Condvar,
}

struct Queue<S> {
    tasks: VecDeque<Task<S>>,
    closed: bool,
}

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        // No statement leaves the queue inconsistent, so a panic elsewhere cannot have broken it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next task; `None` when the pool is closed.
    fn wait(&self) -> Option<Task<S>> {
        let idle = |queue: &mut Queue<S>| !queue.closed && queue.tasks.is_empty();
        let queue = self.changed.wait_while(self.lock(), idle);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        queue.tasks.pop_front().filter(|_| !queue.closed)
    }
}

impl<S: Send + 'static> Pool<S> {
    /// Starts a thread for each of `states`; each calls `init` first.
    pub(super) fn new(states: Vec<S>, init: fn()) -> Result<Self> {
        let queue = Queue {
            tasks: VecDeque::new(),
            closed: false,
        };
        let mut pool = Self {
            shared: Arc::new(Shared {
                queue: Mutex::new(queue),
                changed: Condvar::new(),
            }),
            threads: Vec::new(),
        };
        for mut state in states {
            let shared = Arc::clone(&pool.shared);
            let run = move || {
                init();
                while let Some(task) = shared.wait() {
                    task(&mut state);
                }
            };
            let thread = thread::Builder::new().spawn(run);
            let thread = thread.context(THREAD_REFUSED)?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Number of threads, not counting the caller's.
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Queues a task: first if it is `urgent`, else last.
    pub(super) fn push<T: Send + 'static>(
        &self,
        urgent: bool,
        work: impl FnOnce(&mut S) -> Result<T> + Send + 'static,
    ) -> Job<T> {
        let (sender, receiver) = mpsc::channel();
        let task: Task<S> = Box::new(move |state| {
            let result = panic::catch_unwind(AssertUnwindSafe(|| work(state)));
            let result = result.unwrap_or_else(|payload| Err(tch_errors::of_panic(&*payload)));
            // The receiver may be gone.
            let _ = sender.send(result);
        });
        let mut queue = self.shared.lock();
        if urgent {
            queue.tasks.push_front(task);
        } else {
            queue.tasks.push_back(task);
        }
        self.shared.changed.notify_one();
        Job(receiver)
    }

    /// Runs the next task on this thread with its `own` state; `false` if the queue is empty.
    pub(super) fn help(&self, own: &mut S) -> bool {
        // The lock must be released before the task runs.
        let task = self.shared.lock().tasks.pop_front();
        task.map(|task| task(own)).is_some()
    }

    /// Waits for the result of `job` and runs other tasks meanwhile.
    pub(super) fn wait<T>(&self, job: &Job<T>, own: &mut S) -> Result<T> {
        loop {
            if let Some(result) = job.poll() {
                return result;
            }
            if !self.help(own) {
                return job.wait();
            }
        }
    }

    /// Discards queued tasks.
    pub(super) fn clear(&self) {
        self.shared.lock().tasks.clear();
    }
}

impl<T> Job<T> {
    /// The result if the task is done; call it until it returns one.
    pub(super) fn poll(&self) -> Option<Result<T>> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(dropped())),
        }
    }

    /// Waits for the result without running other tasks.
    pub(super) fn wait(&self) -> Result<T> {
        self.0.recv().unwrap_or_else(|_| Err(dropped()))
    }
}

fn dropped() -> anyhow::Error {
    anyhow!("the task was discarded before it ran")
}

impl<S> Drop for Pool<S> {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.tasks.clear();
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> Pool<()> {
        Pool::new(vec![(); threads], || {}).unwrap()
    }

    #[test]
    fn a_task_that_panics_is_an_error_and_its_thread_continues() {
        for threads in [1, 4] {
            let pool = pool(threads);
            let bad = (0..threads).map(|_| pool.push(false, |()| Ok(Vec::<u64>::new()[0])));
            let bad: Vec<Job<u64>> = bad.collect();
            let good = pool.push(false, |()| Ok(7));
            for job in bad {
                let error = job.wait().unwrap_err().to_string();
                assert!(error.contains("fault in mnist-tch"), "{error}");
            }
            assert_eq!(good.wait().unwrap(), 7);
        }
    }

    #[test]
    fn a_discarded_task_is_an_error_and_nobody_waits_for_it() {
        let (started, has_started) = mpsc::channel();
        let (end, ends) = mpsc::channel();
        let pool = pool(1);
        let first = pool.push(false, move |()| Ok((started.send(()), ends.recv())));
        has_started.recv().unwrap();
        let second = pool.push(false, |()| Ok(()));
        pool.clear();
        let error = second.wait().unwrap_err().to_string();
        assert!(error.contains("was discarded"), "{error}");
        end.send(()).unwrap();
        assert!(first.wait().is_ok());
    }
}
