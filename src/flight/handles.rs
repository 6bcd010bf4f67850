//! Things kept for clients under handles that nobody can guess.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tonic::Status;

/// How long a handle lives without being used.
const LIFETIME: Duration = Duration::from_mins(10);

/// How many are kept; further ones are refused until some expire.
const LIMIT: usize = 100_000;

/// A handle's bytes.
pub(super) type Handle = [u8; 16];

/// Values under random handles.
#[derive(Debug)]
pub(super) struct Handles<T> {
    what: &'static str,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    values: HashMap<Handle, (T, Instant)>,
    swept: Instant,
}

impl<T: Clone> Handles<T> {
    /// `what` names the things in errors.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, kept: Mutex::new(Kept { values: HashMap::new(), swept: Instant::now() }) }
    }

    /// Keeps a value and returns its handle.
    pub(super) fn insert(&self, value: T) -> Result<Handle, Status> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        if kept.swept + LIFETIME / 10 < now || kept.values.len() >= LIMIT {
            kept.values.retain(|_, (_, used)| *used + LIFETIME > now);
            kept.swept = now;
        }
        if kept.values.len() >= LIMIT {
            return Err(Status::resource_exhausted(format!("too many {}s are open", self.what)));
        }
        let handle: Handle = rand::random();
        kept.values.insert(handle, (value, now));
        Ok(handle)
    }

    /// The value under a handle.
    pub(super) fn get(&self, handle: &[u8]) -> Result<T, Status> {
        let mut kept = self.kept.lock();
        let found = key(handle).and_then(|key| kept.values.get_mut(&key));
        match found {
            Some((value, used)) if used.elapsed() < LIFETIME => {
                *used = Instant::now();
                Ok(value.clone())
            }
            _ => Err(self.unknown()),
        }
    }

    /// Takes the value under a handle away, so that it is used once.
    pub(super) fn take(&self, handle: &[u8]) -> Result<T, Status> {
        let taken = key(handle).and_then(|key| self.kept.lock().values.remove(&key));
        match taken {
            Some((value, used)) if used.elapsed() < LIFETIME => Ok(value),
            _ => Err(self.unknown()),
        }
    }

    /// Puts another value under a handle that is there.
    pub(super) fn replace(&self, handle: &[u8], value: T) -> Result<(), Status> {
        let mut kept = self.kept.lock();
        let found = key(handle).and_then(|key| kept.values.get_mut(&key)).ok_or_else(|| self.unknown())?;
        *found = (value, Instant::now());
        Ok(())
    }

    fn unknown(&self) -> Status {
        Status::not_found(format!("the {} does not exist, was used before or has expired", self.what))
    }
}

fn key(handle: &[u8]) -> Option<Handle> {
    handle.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_finds_its_value_until_it_is_taken() {
        let handles = Handles::new("ticket");
        let (one, two) = (handles.insert(1).unwrap(), handles.insert(2).unwrap());
        assert_ne!(one, two);
        assert_eq!(handles.get(&two).unwrap(), 2);
        assert_eq!(handles.take(&one).unwrap(), 1);
        let gone = handles.take(&one).unwrap_err();
        assert_eq!(gone.code(), tonic::Code::NotFound);
        assert!(gone.message().contains("ticket"));
    }

    #[test]
    fn bytes_that_are_no_handle_are_refused() {
        let handles = Handles::<u8>::new("ticket");
        for bytes in [&b""[..], &[0; 15], &[0; 16], &[0; 17]] {
            assert!(handles.get(bytes).is_err());
            assert!(handles.replace(bytes, 1).is_err());
        }
    }

    #[test]
    fn an_expired_handle_is_unknown() {
        let handles = Handles::new("ticket");
        let handle = handles.insert(1).unwrap();
        if let Some(entry) = handles.kept.lock().values.get_mut(&handle) {
            entry.1 -= LIFETIME * 2;
        }
        assert!(handles.get(&handle).is_err());
        assert!(handles.take(&handle).is_err());
    }
}
