//! The threads of a context: a pool that stays alive between decodes, and the pace that keeps it from fighting over
//! a busy processor.
//!
//! Without OpenMP and without a pool, ggml starts and joins its threads in every decode, which costs more than
//! decoding a token of a small model.

use std::{
    ffi::c_int,
    mem::MaybeUninit,
    ptr::NonNull,
    time::{Duration, Instant},
};

use llama_cpp_sys_2 as sys;
use parking_lot::Mutex;

/// How long an idle worker polls before it sleeps, in ggml's units of 131 072 rounds; 50 is ggml's default, and
/// takes the processor from everyone else for tenths of a second after each decode.
const POLLING: u32 = 1;

// The bindings' header leaves out `ggml-cpu.h`; the functions are in the library.
unsafe extern "C" {
    fn ggml_threadpool_new(params: *mut sys::ggml_threadpool_params) -> *mut sys::ggml_threadpool;
    fn ggml_threadpool_free(pool: *mut sys::ggml_threadpool);
}

#[derive(Debug)]
pub(super) struct ThreadPool(NonNull<sys::ggml_threadpool>);

impl ThreadPool {
    /// A pool of `threads`, the calling one included; `None` when there is nothing to pool.
    pub(super) fn new(threads: u32) -> Option<Self> {
        if threads < 2 {
            return None;
        }
        // SAFETY: takes a number and returns plain data.
        let mut params = unsafe { sys::ggml_threadpool_params_default(threads as c_int) };
        params.poll = POLLING;
        // SAFETY: the signature is that of `ggml-cpu.h` in the version that the bindings are built from, and the
        // parameters live through the call, which copies them.
        NonNull::new(unsafe { ggml_threadpool_new(&raw mut params) }).map(Self)
    }

    pub(super) const fn as_ptr(&self) -> *mut sys::ggml_threadpool {
        self.0.as_ptr()
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // SAFETY: the context that used the pool is freed before it (see `LlamaContext::drop`).
        unsafe { ggml_threadpool_free(self.0.as_ptr()) };
    }
}

/// Falls back to one thread while other work contends for the processor.
///
/// ggml's threads spin at a barrier after every operation. When one of them is preempted the others burn their time
/// slice, so that two threads on a busy machine are ten times slower than one. A decode during which the calling
/// thread was often preempted is followed by a time of decoding on one thread; each that ends in contention again
/// doubles the next. Contention is the machine's, so all contexts share one pace.
#[derive(Debug)]
pub(super) struct Pace {
    alone_until: Option<Instant>,
    /// How long the last time alone was.
    stretch: Duration,
}

static PACE: Mutex<Pace> = Mutex::new(Pace {
    alone_until: None,
    stretch: Duration::ZERO,
});

/// Preemptions a second above which the processor counts as contended: spinning threads lose their turn every few
/// milliseconds, the threads of an idle machine a few times a second.
const CONTENDED_PER_SECOND: f64 = 60.0;
const FIRST_STRETCH: Duration = Duration::from_millis(250);
const LONGEST_STRETCH: Duration = Duration::from_secs(8);

/// Runs a decode with the number of threads that it should use, at most `threads`.
pub(super) fn paced<T>(threads: u32, decode: impl FnOnce(u32) -> T) -> T {
    let start = Instant::now();
    if threads == 1 || PACE.lock().is_alone(start) {
        return decode(1);
    }
    let before = preemptions();
    let result = decode(threads);
    let preempted = (preemptions() - before) as f64;
    PACE.lock().judge(preempted, start.elapsed(), Instant::now());
    result
}

impl Pace {
    fn is_alone(&self, now: Instant) -> bool {
        self.alone_until.is_some_and(|until| now < until)
    }

    /// Takes account of a decode on several threads.
    fn judge(&mut self, preempted: f64, took: Duration, now: Instant) {
        if preempted >= 1.0 && preempted > CONTENDED_PER_SECOND * took.as_secs_f64() {
            self.stretch = (self.stretch * 2).clamp(FIRST_STRETCH, LONGEST_STRETCH);
            self.alone_until = Some(now + self.stretch);
        } else {
            self.stretch /= 2;
        }
    }
}

/// How often the calling thread has lost the processor against its will.
fn preemptions() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel writes a whole `rusage` to the live place; zeroed bytes are a valid one should it refuse.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_nivcsw
}

/// Lowers the calling thread's priority, for long work beside decoding such as training: decoding then keeps its
/// speed, and the work takes what is left of the processor.
pub fn run_in_background() {
    const NICE: c_int = 10;
    // SAFETY: takes numbers only; on Linux the id 0 means the calling thread. A refusal changes nothing.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contention_is_answered_with_growing_times_on_one_thread() {
        let mut pace = Pace {
            alone_until: None,
            stretch: Duration::ZERO,
        };
        let (start, short, long) = (
            Instant::now(),
            Duration::from_millis(10),
            Duration::from_millis(100),
        );
        pace.judge(0.0, short, start);
        pace.judge(1.0, long, start);
        assert!(
            !pace.is_alone(start),
            "one preemption in a long decode is nothing"
        );
        pace.judge(3.0, short, start);
        assert!(pace.is_alone(start + FIRST_STRETCH / 2) && !pace.is_alone(start + FIRST_STRETCH));
        pace.judge(3.0, short, start);
        assert!(pace.is_alone(start + FIRST_STRETCH) && !pace.is_alone(start + FIRST_STRETCH * 2));
        (0..20).for_each(|_| pace.judge(3.0, short, start));
        assert!(!pace.is_alone(start + LONGEST_STRETCH));
        (0..20).for_each(|_| pace.judge(0.0, short, start));
        pace.judge(3.0, short, start);
        assert!(
            !pace.is_alone(start + FIRST_STRETCH),
            "a calm machine is forgiven"
        );
    }

    #[test]
    fn a_thread_in_the_background_has_a_lower_priority() {
        let nice = std::thread::spawn(|| {
            run_in_background();
            // SAFETY: takes numbers only.
            unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
        });
        assert!(nice.join().unwrap() >= 10);
    }
}
