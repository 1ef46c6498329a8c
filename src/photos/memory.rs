//! A limit on the memory that pictures take at the same time, whatever the number of threads.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that threads share.
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
