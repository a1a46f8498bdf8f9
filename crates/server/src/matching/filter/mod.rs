//! Filters: expressions in CEL over an event, with a bound on what they may cost.
//!
//! Customers write filters, and often choose the payloads too, so both are hostile here. The library evaluates without
//! looking at the clock, so the cost is bounded before it starts:
//!
//! - [`check`] walks the expression when it is registered. Only what it lists can be used: nothing that builds text or
//!   runs patterns, and inside `exists`, `all` and `exists_one` nothing but the item, so that no step of a loop costs more
//!   than its item. Loops do not nest. What is left costs a number of steps that follows from the expression and the
//!   size of a payload ([`Cost::steps`]).
//! - [`Filter::evaluate`] refuses what comes to more than [`STEPS_MAX`].

mod check;

use std::{
    fmt::{self, Write as _},
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, IdedExpr, Program, Value};

/// Longest expression, in bytes.
pub(crate) const FILTER_BYTES_MAX: usize = 1_000;
/// Deepest nesting that is parsed.
const DEPTH_MAX: u16 = 32;
/// What one evaluation may cost. The slowest of our hostile evaluations below it took 17 ms to 29 ms in three runs of
/// `filter_costs` (release build, 2 cores that were busy with other work), 0.14 µs a step in the best of them.
const STEPS_MAX: usize = 200_000;
/// Longest report of an evaluation that failed, in bytes.
const PROBLEM_BYTES_MAX: usize = 200;

/// A filter, ready to be evaluated.
#[derive(Debug)]
pub(crate) struct Filter {
    program: IdedExpr,
    cost: Cost,
}

/// Why an expression cannot be a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilterError {
    /// Where: characters from the start, the first is 1. None when it is the whole.
    pub(crate) at: Option<usize>,
    pub(crate) problem: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "at character {at}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// How large a payload is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PayloadSize {
    bytes: usize,
    /// Values of any kind, the whole of it included.
    pub(super) values: usize,
    /// Items of its longest list, or members of its largest object.
    pub(super) longest: usize,
}

impl PayloadSize {
    pub(super) fn of_bytes(bytes: usize) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// Steps of looking at all of it. Text is compared and copied at more than 64 bytes in the time of a step.
    fn steps(self) -> usize {
        self.values + self.bytes / 64
    }
}

/// What an expression costs, in parts of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Cost {
    /// Nodes outside of loops.
    nodes: usize,
    /// Operations that can look at all of the payload.
    heavy: usize,
    /// Nodes inside of loops.
    per_item: usize,
}

impl Cost {
    fn steps(self, size: PayloadSize) -> usize {
        // A list that is written in the expression has fewer items than the expression has nodes.
        let items = size.longest.max(self.nodes);
        let heavy = self.heavy.saturating_mul(size.steps());
        self.nodes
            .saturating_add(heavy)
            .saturating_add(self.per_item.saturating_mul(items))
    }
}

impl Filter {
    /// Reads and checks an expression.
    pub(crate) fn compile(text: &str) -> Result<Self, FilterError> {
        let whole = |problem: String| FilterError { at: None, problem };
        if text.len() > FILTER_BYTES_MAX {
            return Err(whole(format!(
                "{} bytes; at most {FILTER_BYTES_MAX} are accepted",
                text.len()
            )));
        }
        // Without macros first: what was written is easier to judge than what it expands to.
        let written = Env::default()
            .with_optional_support(false)
            .parser()
            .max_recursion_depth(DEPTH_MAX)
            .parse_with_source_info(text);
        let (written, source) = written.map_err(|errors| of_parser(text, &errors))?;
        let cost = check::check(&written, &source)?;
        let program = Program::compile(text).map_err(|errors| of_parser(text, &errors))?;
        Ok(Self {
            program: program.expression().clone(),
            cost,
        })
    }

    /// Evaluates it. `context` is asked for once the cost is known to be bearable.
    pub(super) fn evaluate<'a>(
        &self,
        size: PayloadSize,
        context: impl FnOnce() -> &'a Context<'static, 'static>,
    ) -> Result<bool, String> {
        let steps = self.cost.steps(size);
        if steps > STEPS_MAX {
            return Err(format!(
                "this payload is too large for this filter: {steps} steps, and {STEPS_MAX} are allowed"
            ));
        }
        match Value::resolve(&self.program, context()) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(format!(
                "the answer is neither true nor false but {:?}",
                other.type_of()
            )),
            Err(error) => Err(shortened(&error)),
        }
    }
}

/// What filters can name, shared by all.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
    Arc::clone(&ENVIRONMENT)
}

fn of_parser(text: &str, errors: &cel::ParseErrors) -> FilterError {
    let Some(error) = errors.errors.first() else {
        return FilterError {
            at: None,
            problem: String::from("not an expression"),
        };
    };
    let (line, column) = error.pos;
    let before: usize = text
        .split_inclusive('\n')
        .take(usize::try_from(line - 1).unwrap_or(0))
        .map(|line| line.chars().count())
        .sum();
    let at = before + usize::try_from(column).unwrap_or(0);
    FilterError {
        at: (at > 0).then_some(at),
        problem: error.msg.lines().next().unwrap_or_default().to_owned(),
    }
}

/// The beginning of a text that may show all of a payload.
fn shortened(error: &impl fmt::Display) -> String {
    struct Limited(String);
    impl fmt::Write for Limited {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                if self.0.len() + c.len_utf8() > PROBLEM_BYTES_MAX {
                    self.0.push('…');
                    return Err(fmt::Error);
                }
                self.0.push(c);
            }
            Ok(())
        }
    }
    let mut limited = Limited(String::new());
    // Ends early on purpose.
    let _ = write!(limited, "{error}");
    limited.0
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
