use crate::definitions::Definitions;
use crate::input::Task;
use crate::policy::Loaded;

/// What a step works with: what is known, when it is, and where its writes and effects go.
pub(crate) struct Turn<'t, S, E> {
    pub(crate) definitions: &'t Definitions,
    pub(crate) task: Task,
    /// The partition's clock, in milliseconds since 1970.
    pub(crate) now: i64,
    /// The policy of the tenant that the step is about.
    pub(crate) policy: Loaded,
    pub(crate) state: &'t mut S,
    pub(crate) effects: &'t mut E,
}
