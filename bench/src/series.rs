//! Figures over time: columns of equal length, the first of which is the time.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Seconds since the test began.
    pub(crate) t_s: Vec<f64>,
    /// Names end in their unit. A moment may be without a value.
    pub(crate) columns: BTreeMap<String, Vec<Option<f64>>>,
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) t_s: f64,
    pub(crate) what: String,
}

impl Series {
    pub(crate) fn new(t_s: Vec<f64>) -> Self {
        Self {
            t_s,
            columns: BTreeMap::new(),
        }
    }

    /// A column that is shorter than the time is without values at the end; one that is longer is cut off.
    pub(crate) fn add(&mut self, name: &str, values: impl IntoIterator<Item = Option<f64>>) {
        let mut values: Vec<Option<f64>> = values.into_iter().map(|value| value.map(rounded)).collect();
        values.resize(self.t_s.len(), None);
        self.columns.insert(name.into(), values);
    }

    /// The moments at which the column has a value.
    pub(crate) fn points(&self, name: &str) -> Vec<(f64, f64)> {
        let values = self.columns.get(name).map(Vec::as_slice).unwrap_or_default();
        let points = self.t_s.iter().zip(values);
        points.filter_map(|(&t, &value)| Some((t, value?))).collect()
    }

    /// A header and a line for each moment; what a moment does not have is empty.
    pub(crate) fn to_csv(&self) -> String {
        let mut csv = String::from("t_s");
        for name in self.columns.keys() {
            csv.push(',');
            csv.push_str(name);
        }
        csv.push('\n');
        for (row, t) in self.t_s.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(csv, "{t}");
            for values in self.columns.values() {
                csv.push(',');
                if let Some(value) = values[row] {
                    let _ = write!(csv, "{value}");
                }
            }
            csv.push('\n');
        }
        csv
    }

    pub(crate) fn from_csv(csv: &str) -> Result<Self> {
        let mut lines = csv.lines();
        let mut names = lines.next().context("the file is empty")?.split(',');
        ensure!(names.next() == Some("t_s"), "the first column is not t_s");
        let names: Vec<&str> = names.collect();
        let mut t_s = Vec::new();
        let mut columns = vec![Vec::new(); names.len()];
        for line in lines {
            let mut fields = line.split(',');
            t_s.push(fields.next().context("a line is empty")?.parse()?);
            for column in &mut columns {
                let field = fields.next().with_context(|| format!("`{line}` is too short"))?;
                column.push(if field.is_empty() {
                    None
                } else {
                    Some(field.parse()?)
                });
            }
        }
        let columns = names.into_iter().map(String::from).zip(columns).collect();
        Ok(Self { t_s, columns })
    }

    pub(crate) fn write_csv(&self, path: &Path) -> Result<()> {
        fs::write(path, self.to_csv()).with_context(|| format!("writing {}", path.display()))
    }
}

/// Three digits behind the point: microseconds where the unit is a millisecond.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_survives_the_file() {
        let mut series = Series::new(vec![0.0, 1.0, 2.5]);
        series.add("delivered_per_s", [Some(1_000.0), None, Some(0.123_456)]);
        series.add("publish_p99_ms", [Some(2.0)]);
        assert_eq!(
            series.to_csv(),
            "t_s,delivered_per_s,publish_p99_ms\n0,1000,2\n1,,\n2.5,0.123,\n"
        );
        assert_eq!(Series::from_csv(&series.to_csv()).unwrap(), series);
        assert_eq!(series.points("delivered_per_s"), [(0.0, 1_000.0), (2.5, 0.123)]);
        assert_eq!(series.points("unknown"), []);
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for wrong in ["", "a,b\n1,2\n", "t_s,b\n1\n", "t_s,b\n1,x\n"] {
            assert!(Series::from_csv(wrong).is_err(), "{wrong:?}");
        }
    }
}
