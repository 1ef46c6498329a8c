//! Threads that share a queue of tasks, with the calling thread as one of them.
//!
//! It knows nothing of tensors. Results come back in the order in which they are done, which is not
//! the order of the tasks: a result has to say what it belongs to.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

/// A pool of one or more threads. Dropping it drops the tasks that nobody has begun, and waits for the rest.
pub struct Pool<T, W, R> {
    shared: Arc<Shared<T>>,
    results: Receiver<R>,
    threads: Vec<JoinHandle<()>>,
    own: W,
    /// Tasks whose results have not been handed out yet.
    outstanding: usize,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    changed: Condvar,
}

struct Queue<T> {
    tasks: VecDeque<T>,
    closed: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // A queue is whole after every statement, so a panic elsewhere cannot have spoilt it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task, waiting for one; `None` when the pool is closed.
    fn wait(&self) -> Option<T> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(task) = queue.tasks.pop_front() {
                return Some(task);
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T, W, R> Pool<T, W, R>
where
    T: Send + 'static,
    R: Send + 'static,
    W: FnMut(T) -> R + Send + 'static,
{
    /// Starts a thread for each of `others`; `own` does what the calling thread takes on in [`Self::next`].
    ///
    /// # Errors
    /// When the system refuses another thread.
    pub fn new(own: W, others: Vec<W>) -> Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                tasks: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        });
        let (sender, results) = mpsc::channel();
        let mut pool = Self {
            shared,
            results,
            threads: Vec::new(),
            own,
            outstanding: 0,
        };
        for mut work in others {
            let (shared, sender) = (Arc::clone(&pool.shared), sender.clone());
            let run = move || {
                while let Some(task) = shared.wait() {
                    if sender.send(work(task)).is_err() {
                        break;
                    }
                }
            };
            let thread = thread::Builder::new().spawn(run);
            pool.threads
                .push(thread.context("cannot start another thread: use a smaller --threads")?);
        }
        Ok(pool)
    }

    /// Whether the calling thread does everything itself.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.threads.is_empty()
    }

    /// Number of threads, the calling one among them.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.len() + 1
    }

    /// Drops the tasks that nobody has begun.
    pub fn clear(&mut self) {
        let mut queue = self.shared.lock();
        self.outstanding -= queue.tasks.len();
        queue.tasks.clear();
    }

    /// Number of tasks whose results have not been handed out.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Adds a task after all others.
    pub fn push(&mut self, task: T) {
        self.shared.lock().tasks.push_back(task);
        self.added();
    }

    /// Adds a task before all others.
    pub fn push_urgent(&mut self, task: T) {
        self.shared.lock().tasks.push_front(task);
        self.added();
    }

    fn added(&mut self) {
        self.outstanding += 1;
        self.shared.changed.notify_one();
    }

    /// One more result: one that is there, else the result of a task done on this thread, else the next that
    /// another thread delivers. `None` when nothing is outstanding.
    pub fn next(&mut self) -> Option<R> {
        if self.outstanding == 0 {
            return None;
        }
        self.outstanding -= 1;
        if let Ok(result) = self.results.try_recv() {
            return Some(result);
        }
        // The guard must be gone before the work begins.
        let task = self.shared.lock().tasks.pop_front();
        match task {
            Some(task) => Some((self.own)(task)),
            None => self.results.recv().ok(),
        }
    }
}

impl<T, W, R> Drop for Pool<T, W, R> {
    fn drop(&mut self) {
        {
            let mut queue = self.shared.lock();
            queue.closed = true;
            queue.tasks.clear();
        }
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn square(number: u64) -> u64 {
        number * number
    }

    #[test]
    fn every_task_gives_one_result_with_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let mut pool = Pool::new(square as fn(u64) -> u64, vec![square; threads - 1]).unwrap();
            (0..100).for_each(|number| pool.push(number));
            let mut results: Vec<u64> = std::iter::from_fn(|| pool.next()).collect();
            results.sort_unstable();
            assert_eq!(results, (0..100).map(square).collect::<Vec<_>>());
            assert_eq!(pool.outstanding(), 0);
        }
    }

    #[test]
    fn urgent_tasks_go_first() {
        let mut pool = Pool::new(square as fn(u64) -> u64, vec![]).unwrap();
        pool.push(2);
        pool.push(3);
        pool.push_urgent(5);
        let results: Vec<u64> = std::iter::from_fn(|| pool.next()).collect();
        assert_eq!(results, [25, 4, 9]);
    }

    #[test]
    fn dropping_a_pool_does_not_wait_for_what_nobody_began() {
        let slow = |number: u64| {
            thread::sleep(Duration::from_millis(1));
            number
        };
        let mut pool = Pool::new(slow, vec![slow; 2]).unwrap();
        (0..100_000).for_each(|number| pool.push(number));
        drop(pool);
    }
}
