//! One chart as SVG. Without a background and in colours of middle brightness, it is readable on light and on dark pages.

use anyhow::{Result, anyhow};
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::{
        Shift,
        ranged1d::{AsRangedCoord, Ranged, ValueFormatter},
    },
    drawing::DrawingArea,
    element::{PathElement, Text},
    prelude::{IntoDrawingArea as _, IntoLogRange as _, SVGBackend},
    series::LineSeries,
    style::{Color as _, IntoFont as _, RGBColor, ShapeStyle, TRANSPARENT, TextStyle},
};

use super::thin::thin;
use crate::series::Mark;

#[derive(Debug, Default)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// Upright lines at moments.
    pub(super) marks: Vec<Mark>,
}

#[derive(Debug, Default)]
pub(super) struct Axis {
    /// With the unit.
    pub(super) label: &'static str,
    /// Logarithmic; from zero otherwise.
    pub(super) is_log: bool,
}

#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

impl Chart {
    /// `None` when there is nothing to draw.
    pub(super) fn svg(&self) -> Result<Option<String>> {
        let Some((x, y)) = self.ranges() else {
            return Ok(None);
        };
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            match (self.x.is_log, self.y.is_log) {
                (false, false) => self.draw(&area, x.0..x.1, y.0..y.1, y)?,
                (false, true) => self.draw(&area, x.0..x.1, (y.0..y.1).log_scale(), y)?,
                (true, false) => self.draw(&area, (x.0..x.1).log_scale(), y.0..y.1, y)?,
                (true, true) => self.draw(&area, (x.0..x.1).log_scale(), (y.0..y.1).log_scale(), y)?,
            }
            area.present().map_err(drawing)?;
        }
        Ok(Some(svg))
    }

    /// From where to where the axes go.
    fn ranges(&self) -> Option<((f64, f64), (f64, f64))> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = extent(points().map(|point| point.0), self.x.is_log)?;
        let y = extent(points().map(|point| point.1), self.y.is_log)?;
        // Room above for the names of the lines.
        let headroom = if self.y.is_log {
            (y.1 / y.0).powf(0.25)
        } else {
            1.25
        };
        Some((x, (y.0, y.1 * headroom)))
    }

    fn draw<X, Y>(&self, area: &Area<'_, '_>, x: X, y: Y, (bottom, top): (f64, f64)) -> Result<()>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, text(16))
            .margin(10)
            .margin_right(20)
            .x_label_area_size(45)
            .y_label_area_size(70)
            .build_cartesian_2d(x, y)
            .map_err(drawing)?;
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .label_style(text(13))
            .axis_desc_style(text(14))
            .axis_style(GREY)
            .bold_line_style(GREY.mix(0.3))
            .light_line_style(TRANSPARENT)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .draw()
            .map_err(drawing)?;
        // All of one kind need one name only.
        let is_one_kind = self.marks.iter().all(|mark| mark.what == self.marks[0].what);
        for (number, mark) in self.marks.iter().enumerate() {
            // Not dashed: in SVG every dash is an element of its own.
            let line = PathElement::new([(mark.t_s, bottom), (mark.t_s, top)], MARK.stroke_width(1));
            let drawn = chart.draw_series([line]).map_err(drawing)?;
            if is_one_kind {
                if number == 0 {
                    drawn
                        .label(&mark.what)
                        .legend(|(x, y)| key((x, y), MARK.stroke_width(1)));
                }
            } else {
                let named = Text::new(mark.what.clone(), (mark.t_s, top), text(11));
                chart.draw_series([named]).map_err(drawing)?;
            }
        }
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(thin(&line.points, POINTS_MAX), style))
                .map_err(drawing)?
                .label(&line.name)
                .legend(move |at| key(at, style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font(text(13))
            .background_style(TRANSPARENT)
            .draw()
            .map_err(drawing)
    }
}

type Area<'a, 'b> = DrawingArea<SVGBackend<'b>, Shift>;

/// What stands for a line beside its name.
fn key((x, y): (i32, i32), style: ShapeStyle) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 18, y)], style)
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&GREY)
}

fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("drawing: {error}")
}

/// `None` when there are no values; never empty.
fn extent(values: impl Iterator<Item = f64>, is_log: bool) -> Option<(f64, f64)> {
    let values: Vec<f64> = values.filter(|value| !is_log || *value > 0.0).collect();
    let high = values.iter().copied().reduce(f64::max)?;
    if !is_log {
        return Some((0.0, if high > 0.0 { high } else { 1.0 }));
    }
    let low = values.iter().copied().reduce(f64::min)?;
    Some(if low < high {
        (low, high)
    } else {
        (low / 2.0, low * 2.0)
    })
}

/// Thousands as `20k`; otherwise no more digits than a label needs.
fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 10_000.0 {
        return format!("{}k", trimmed(value / 1e3, 1));
    }
    trimmed(value, if size >= 100.0 { 0 } else { 2 })
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

const SIZE: (u32, u32) = (860, 340);
/// More than the picture has room for, and still a small file.
const POINTS_MAX: usize = 600;
const GREY: RGBColor = RGBColor(0x80, 0x80, 0x80);
const MARK: RGBColor = RGBColor(0xe0, 0x4f, 0x5f);
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x3b, 0x82, 0xf6),
    RGBColor(0xd9, 0x77, 0x06),
    RGBColor(0x16, 0xa3, 0x4a),
    RGBColor(0xa8, 0x55, 0xf7),
    RGBColor(0x0e, 0x9f, 0xb8),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>, is_log: bool) -> Chart {
        Chart {
            title: "Deliveries".into(),
            x: Axis {
                label: "time, s",
                is_log: false,
            },
            y: Axis {
                label: "deliveries/s",
                is_log,
            },
            lines: vec![Line {
                name: "delivered".into(),
                points,
            }],
            marks: vec![Mark {
                t_s: 1.0,
                what: "kill".into(),
            }],
        }
    }

    #[test]
    fn a_chart_names_axes_lines_and_marks() {
        for is_log in [false, true] {
            let points = (0..5_000).map(|x| (f64::from(x), f64::from(1 + x % 7))).collect();
            let svg = chart(points, is_log).svg().unwrap().unwrap();
            for named in ["Deliveries", "time, s", "deliveries/s", "delivered", "kill"] {
                assert!(svg.contains(named), "{named}");
            }
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.len() < 40_000, "{} bytes", svg.len());
        }
    }

    #[test]
    fn without_points_there_is_no_chart() {
        assert_eq!(chart(Vec::new(), false).svg().unwrap(), None);
        // A logarithm has no zero.
        assert_eq!(chart(vec![(0.0, 0.0)], true).svg().unwrap(), None);
        assert!(chart(vec![(0.0, 0.0)], false).svg().unwrap().is_some());
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.0, 0.25, 2.5, 120.0, 20_000.0, 12_500.0].map(number);
        assert_eq!(labels, ["0", "0.25", "2.5", "120", "20k", "12.5k"]);
    }
}
