//! How things look. Colours show only where the output is a terminal that has them.

use std::fmt::{self, Write as _};

use anstream::println;
use anstyle::{AnsiColor, Style};

pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WAITING: Style = AnsiColor::Yellow.on_default();
pub(crate) const FAINT: Style = Style::new().dimmed();
pub(crate) const STRONG: Style = Style::new().bold();

/// A cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        // What receivers answer is shown too: it must not steer the terminal.
        let text = text
            .into()
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        Self { text, style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(f, "{style}{}{style:#}", self.text)
    }
}

/// Prints rows under a heading, each column as wide as its widest cell.
pub(crate) fn print_table<const N: usize>(heading: [&str; N], rows: &[[Cell; N]]) {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    print_row(&heading.map(|cell| Cell::styled(cell, FAINT)), widths);
    for row in rows {
        print_row(row, widths);
    }
}

fn print_row<const N: usize>(row: &[Cell; N], widths: [usize; N]) {
    let mut line = String::new();
    for (position, (cell, width)) in row.iter().zip(widths).enumerate() {
        let (style, text) = (cell.style, &cell.text);
        let padding = if position + 1 < N {
            " ".repeat(width - text.chars().count() + 2)
        } else {
            String::new()
        };
        // Writing to a string does not fail.
        let _ = write!(line, "{style}{text}{style:#}{padding}");
    }
    println!("{}", line.trim_end());
}
