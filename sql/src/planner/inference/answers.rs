//! Answers in the order of what is asked, of which many are under way at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use datafusion::common::Result;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, Stream, StreamExt};

/// Questions without an answer. The engine decodes as many as it has sequences for and queues the others.
const UNANSWERED: usize = 128;

/// Questions that are asked before the first of them is handed on: when it takes long, the others go on without it.
const WINDOW: usize = 1024;

type Start<Q, A> = Box<dyn Fn(Q) -> BoxFuture<'static, Result<A>> + Send>;

/// Asks what a stream brings and hands on the answers in its order.
///
/// Under a LIMIT the window begins at the rows wanted and doubles while more are asked for, so that a query that is soon
/// satisfied has few rows under way.
pub(super) struct Answers<S, Q, A> {
    questions: S,
    start: Start<Q, A>,
    under_way: FuturesOrdered<BoxFuture<'static, Result<A>>>,
    unanswered: Arc<AtomicUsize>,
    exhausted: bool,
    window: usize,
    handed_on: usize,
}

/// Counts a question as unanswered until it is dropped.
struct Unanswered(Arc<AtomicUsize>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S, Q, A> Answers<S, Q, A>
where
    S: Stream<Item = Result<Q>> + Unpin,
    A: Send + 'static,
{
    pub(super) fn new(questions: S, wanted: Option<usize>, start: Start<Q, A>) -> Self {
        Self {
            questions,
            start,
            under_way: FuturesOrdered::new(),
            unanswered: Arc::default(),
            exhausted: false,
            window: wanted.map_or(WINDOW, |wanted| wanted.clamp(1, WINDOW)),
            handed_on: 0,
        }
    }

    fn ask(&mut self, question: Q) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let unanswered = Unanswered(Arc::clone(&self.unanswered));
        let answer = (self.start)(question);
        self.under_way.push_back(
            async move {
                let answer = answer.await;
                drop(unanswered);
                answer
            }
            .boxed(),
        );
    }

    /// Asks as much as there is room for; whether anything was asked.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        let mut asked = false;
        while !self.exhausted
            && self.under_way.len() < self.window
            && self.unanswered.load(Ordering::Relaxed) < UNANSWERED
        {
            match self.questions.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(question))) => self.ask(question),
                Poll::Ready(Some(Err(error))) => {
                    self.under_way.push_back(futures::future::ready(Err(error)).boxed());
                    self.exhausted = true;
                }
                Poll::Ready(None) => {
                    self.exhausted = true;
                    break;
                }
                Poll::Pending => break,
            }
            asked = true;
        }
        asked
    }
}

impl<S, Q, A> Stream for Answers<S, Q, A>
where
    S: Stream<Item = Result<Q>> + Unpin,
    Q: Unpin,
    A: Send + Unpin + 'static,
{
    type Item = Result<A>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        this.fill(cx);
        loop {
            match this.under_way.poll_next_unpin(cx) {
                Poll::Ready(Some(answer)) => {
                    this.handed_on += 1;
                    if this.handed_on >= this.window {
                        this.window = (this.window * 2).min(WINDOW);
                    }
                    return Poll::Ready(Some(answer));
                }
                Poll::Ready(None) if this.exhausted => return Poll::Ready(None),
                // Polling may have found answers after the first, which make room for more questions.
                _ if this.fill(cx) => {}
                _ => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use futures::channel::oneshot;

    use super::*;

    type Asked = Arc<Mutex<BTreeMap<usize, oneshot::Sender<()>>>>;
    type Questions = futures::stream::Iter<std::vec::IntoIter<Result<usize>>>;

    fn numbers(count: usize, wanted: Option<usize>) -> (Answers<Questions, usize, usize>, Asked) {
        let asked = Asked::default();
        let questions = futures::stream::iter((0..count).map(Ok).collect::<Vec<_>>());
        let record = Arc::clone(&asked);
        let start = Box::new(move |number| {
            let (answer, wait) = oneshot::channel();
            record.lock().unwrap().insert(number, answer);
            async move {
                wait.await.unwrap();
                Ok(number)
            }
            .boxed()
        });
        (Answers::new(questions, wanted, start), asked)
    }

    fn poll(answers: &mut Answers<Questions, usize, usize>) -> Option<usize> {
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        match answers.poll_next_unpin(&mut cx) {
            Poll::Ready(answer) => answer.map(Result::unwrap),
            Poll::Pending => None,
        }
    }

    fn answer(asked: &Asked, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let sender = asked.lock().unwrap().remove(&number).unwrap();
            sender.send(()).unwrap();
        }
    }

    #[test]
    fn one_long_answer_does_not_hold_up_the_others() {
        let (mut answers, asked) = numbers(2000, None);
        assert_eq!(poll(&mut answers), None);
        assert_eq!(asked.lock().unwrap().len(), UNANSWERED);
        answer(&asked, 1..UNANSWERED);
        assert_eq!(poll(&mut answers), None, "the order is that of the questions");
        assert_eq!(asked.lock().unwrap().len(), UNANSWERED, "the first and as many others");
        let mut next = UNANSWERED;
        while asked.lock().unwrap().len() > 1 {
            let last = *asked.lock().unwrap().last_key_value().unwrap().0;
            answer(&asked, next..=last);
            next = last + 1;
            assert_eq!(poll(&mut answers), None);
        }
        assert_eq!(next, WINDOW, "what is kept is bounded");
        answer(&asked, [0]);
        assert_eq!((0..WINDOW).find(|&row| poll(&mut answers) != Some(row)), None);
    }

    #[test]
    fn few_are_asked_when_few_are_wanted() {
        let (mut answers, asked) = numbers(100, Some(2));
        assert_eq!(poll(&mut answers), None);
        answer(&asked, [1]);
        assert_eq!(poll(&mut answers), None);
        assert_eq!(asked.lock().unwrap().len(), 1, "nothing beyond the two");
        answer(&asked, [0]);
        assert_eq!((poll(&mut answers), poll(&mut answers)), (Some(0), Some(1)));
        assert_eq!(poll(&mut answers), None);
        assert_eq!(asked.lock().unwrap().len(), 4, "twice as many once more are asked for");
    }
}
