//! The threads of a context: a pool that stays alive between decodes, and the pace that keeps it from fighting over
//! a busy processor.
//!
//! Without OpenMP and without a pool, ggml starts and joins its threads in every decode, which costs more than
//! decoding a token of a small model.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

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
/// slice, so that two threads on a busy machine are ten times slower than one. Decodes during which the calling thread
/// often had no processor are followed by a time of decoding on one thread; each that ends in contention again doubles
/// the next. How often it was preempted says nothing: a thread that answers a client takes the processor for
/// microseconds. Contention is the machine's, so all contexts share one pace.
#[derive(Debug)]
pub(super) struct Pace {
    single_until: Option<Instant>,
    /// How long the last time on one thread was.
    backoff: Duration,
    /// Of the decodes on several threads since the last judgement: what the calling thread lost, and all.
    lost: Duration,
    took: Duration,
}

static PACE: Mutex<Pace> = Mutex::new(Pace {
    single_until: None,
    backoff: Duration::ZERO,
    lost: Duration::ZERO,
    took: Duration::ZERO,
});

/// Share of its decoding time that the calling thread must have lost to others for the processor to count as
/// contended. Work of a lower priority takes a tenth, beside which two threads are about as fast as one; work of the
/// same priority takes a third or more.
const CONTENDED_SHARE: f64 = 0.2;
/// Decoding time that is judged together, so that one moment in which another thread answers a client is not taken
/// for contention.
const WINDOW: Duration = Duration::from_millis(50);
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// Runs a decode with the number of threads that it should use, at most `threads`.
pub(super) fn paced<T>(threads: u32, decode: impl FnOnce(u32) -> T) -> T {
    let start = Instant::now();
    if threads == 1 || PACE.lock().is_single(start) {
        return decode(1);
    }
    let before = processor_time();
    let result = decode(threads);
    let took = start.elapsed();
    let lost = took.saturating_sub(processor_time().saturating_sub(before));
    PACE.lock().judge(lost, took, Instant::now());
    result
}

impl Pace {
    fn is_single(&self, now: Instant) -> bool {
        self.single_until.is_some_and(|until| now < until)
    }

    /// Takes account of a decode on several threads that `took` so long, for `lost` of which the calling thread did
    /// not have a processor.
    fn judge(&mut self, lost: Duration, took: Duration, now: Instant) {
        self.lost += lost;
        self.took += took;
        if self.took < WINDOW {
            return;
        }
        let share = self.lost.as_secs_f64() / self.took.as_secs_f64();
        (self.lost, self.took) = (Duration::ZERO, Duration::ZERO);
        if share > CONTENDED_SHARE {
            self.backoff = (self.backoff * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
            self.single_until = Some(now + self.backoff);
        } else {
            self.backoff /= 2;
        }
    }
}

/// How long the calling thread has run on a processor.
fn processor_time() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes a whole `timespec` to the live variable; zeroed bytes are a valid one should it refuse.
    let time = unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr());
        time.assume_init()
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
        let mut pace =
            Pace { single_until: None, backoff: Duration::ZERO, lost: Duration::ZERO, took: Duration::ZERO };
        let start = Instant::now();
        let half = WINDOW / 2;
        let calm = |pace: &mut Pace| pace.judge(WINDOW / 10, WINDOW, start);
        let contended = |pace: &mut Pace| pace.judge(half, WINDOW, start);
        calm(&mut pace);
        pace.judge(half, half, start);
        assert!(!pace.is_single(start), "one moment is not contention");
        pace.judge(Duration::ZERO, half, start);
        assert!(
            pace.is_single(start + FIRST_BACKOFF / 2) && !pace.is_single(start + FIRST_BACKOFF),
            "half of a window is, in however many decodes"
        );
        contended(&mut pace);
        assert!(pace.is_single(start + FIRST_BACKOFF) && !pace.is_single(start + FIRST_BACKOFF * 2));
        (0..20).for_each(|_| contended(&mut pace));
        assert!(!pace.is_single(start + LONGEST_BACKOFF));
        (0..20).for_each(|_| calm(&mut pace));
        contended(&mut pace);
        assert!(!pace.is_single(start + FIRST_BACKOFF), "a calm machine is forgiven");
    }

    #[test]
    fn only_running_counts_as_processor_time() {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(20));
        let slept = processor_time().checked_sub(before).unwrap();
        assert!(slept < Duration::from_millis(10), "{slept:?}");
        let start = Instant::now();
        while processor_time().checked_sub(before).unwrap() < Duration::from_millis(20) {
            assert!(start.elapsed() < Duration::from_mins(1));
        }
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
