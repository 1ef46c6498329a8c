//! Limits the memory that all pictures use at the same time, for any number of threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// A memory budget in bytes, shared by all threads.
pub(super) struct Budget {
    total: u64,
    free: Mutex<u64>,
    released: Condvar,
}

/// A share of a budget, until it is dropped.
pub(crate) struct Permit {
    budget: &'static Budget,
    bytes: u64,
}

impl Budget {
    pub const fn new(total: u64) -> Self {
        Self {
            total,
            free: Mutex::new(total),
            released: Condvar::new(),
        }
    }

    /// Waits until `bytes` are free. A picture that needs more than the total waits for all others
    /// and then runs alone.
    pub fn take(&'static self, bytes: u64) -> Permit {
        let bytes = bytes.min(self.total);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.released.wait_while(free, |free| *free < bytes);
        *free.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Permit {
            budget: self,
            bytes,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let free = self.budget.free.lock();
        *free.unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn shares_never_exceed_the_total_and_all_are_served() {
        static BUDGET: Budget = Budget::new(100);
        static USED: AtomicU64 = AtomicU64::new(0);
        static MAX: AtomicU64 = AtomicU64::new(0);
        let work = |thread: u64| {
            for step in 0..200 {
                // Some need more than the total, and run alone.
                let bytes = [1, 30, 60, 1_000][(thread + step) as usize % 4];
                let permit = BUDGET.take(bytes);
                let used = USED.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                MAX.fetch_max(used, Ordering::SeqCst);
                thread::yield_now();
                USED.fetch_sub(bytes.min(100), Ordering::SeqCst);
                drop(permit);
            }
        };
        thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || work(thread));
            }
        });
        let max = MAX.load(Ordering::SeqCst);
        assert!((60..=100).contains(&max), "{max}");
        assert_eq!(*BUDGET.free.lock().unwrap(), 100);
    }
}
