//! What a decode thread does next: answer, work in the background, or wait.

/// What there is to do, for this model and for the others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Somebody waits for this model.
    pub(crate) is_asked: bool,
    /// This model has work for which nobody waits.
    pub(crate) has_background: bool,
    /// Some model answers, or is asked to.
    pub(crate) engine_answers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextWork {
    Answer,
    Background,
    /// Nothing until the other models have answered.
    WaitForOthers,
    /// Nothing until a job arrives.
    WaitForJob,
}

/// Background work is done only while no model has anything else to do.
pub(crate) fn next_work(work: Work) -> NextWork {
    match work {
        Work { is_asked: true, .. } => NextWork::Answer,
        Work { has_background: false, .. } => NextWork::WaitForJob,
        Work { engine_answers: true, .. } => NextWork::WaitForOthers,
        Work { engine_answers: false, .. } => NextWork::Background,
    }
}

#[cfg(test)]
mod tests {
    use super::{NextWork, Work, next_work};

    #[test]
    fn background_work_is_done_while_no_model_has_anything_else_to_do() {
        let next = |is_asked, has_background, engine_answers| {
            next_work(Work { is_asked, has_background, engine_answers })
        };
        assert_eq!(next(false, true, false), NextWork::Background);
        assert_eq!(next(false, true, true), NextWork::WaitForOthers);
        assert_eq!(next(false, false, true), NextWork::WaitForJob);
        assert_eq!(next(false, false, false), NextWork::WaitForJob);
        assert_eq!(next(true, true, false), NextWork::Answer);
    }
}
