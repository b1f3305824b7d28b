//! Plots as SVG: lines and bands over two axes, and bars.
//!
//! The text is the same on every machine, so a plot can be compared like any other golden file. Colours are chosen by a
//! style sheet inside the file for light and for dark surroundings; what a colour tells is also told by dashes or words.

use std::fmt::Write;

mod axis;
mod calendar;
mod sheet;

pub use self::axis::{Axis, Scale};
pub use self::sheet::{Panel, Sheet, Spell, Turn};

/// The size of a plot, and what its data leave free on each side for words, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 22.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 52.0;

/// From one bar to the next, and how much room their names take.
const BAR: f64 = 19.0;
const NAMES: f64 = 130.0;

/// As many colours as there are; a further series begins anew.
const COLOURS: usize = 5;

const STYLE: &str = "<style>\
text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:15px}.grid{stroke:#d1d9e0}\
.frame{stroke:#59636e;fill:none}.line{fill:none;stroke-width:1.6}.band{opacity:.25}\
.s0{stroke:#0969da}.s1{stroke:#bc4c00}.s2{stroke:#1a7f37}.s3{stroke:#8250df}.s4{stroke:#9a6700}\
.f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}.f4{fill:#9a6700}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#3d444d}.frame{stroke:#9198a1}\
.s0{stroke:#58a6ff}.s1{stroke:#f0883e}.s2{stroke:#3fb950}.s3{stroke:#bc8cff}.s4{stroke:#d29922}\
.f0{fill:#58a6ff}.f1{fill:#f0883e}.f2{fill:#3fb950}.f3{fill:#bc8cff}.f4{fill:#d29922}}\
</style>\n";

/// How a series is drawn.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// The same, dashed: what is not measured but expected.
    Dashes(Vec<(f64, f64)>),
    /// Between a lower and an upper line: `(x, low, high)`.
    Band(Vec<(f64, f64, f64)>),
}

/// What is drawn in one colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is; series of the same name share a colour and a word in the legend.
    pub name: String,
    /// How it is drawn.
    pub marks: Marks,
}

impl Series {
    /// A series.
    pub fn new(name: impl Into<String>, marks: Marks) -> Self {
        Self { name: name.into(), marks }
    }
}

/// Series over two axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From below.
    pub y: Axis,
    /// What is drawn; later ones lie above.
    pub series: Vec<Series>,
}

/// Where data are drawn: the sides of their frame. Words stand around it.
#[derive(Clone, Copy, Debug)]
struct Room {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Chart {
    /// The text of the file.
    pub fn svg(&self) -> String {
        let mut svg = head(&self.title, HEIGHT);
        let room = Room { left: LEFT, top: TOP, right: WIDTH - RIGHT, bottom: HEIGHT - BOTTOM };
        self.draw_axes(&mut svg, room);
        self.draw_series(&mut svg, room);
        svg + "</svg>\n"
    }

    fn draw_axes(&self, svg: &mut String, room: Room) {
        let Room { left, top, right, bottom } = room;
        for (value, label) in self.x.ticks() {
            let x = self.x.place(value, left, right);
            grid(svg, [x, top, x, bottom]);
            words(svg, [x, bottom + 18.0], "middle", &label);
        }
        for (value, label) in self.y.ticks() {
            let y = self.y.place(value, bottom, top);
            grid(svg, [left, y, right, y]);
            words(svg, [left - 8.0, y + 4.0], "end", &label);
        }
        frame(svg, [left, top, right - left, bottom - top]);
        words(svg, [(left + right) / 2.0, bottom + 40.0], "middle", &self.x.label);
        words(svg, [12.0, top - 8.0], "start", &self.y.label);
    }

    fn draw_series(&self, svg: &mut String, room: Room) {
        let names = self.names();
        for series in &self.series {
            let colour = names.iter().position(|name| *name == series.name).unwrap_or(0);
            self.draw(svg, room, series, colour % COLOURS);
        }
        legend(svg, room, &names);
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for series in &self.series {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        names
    }

    fn point(&self, room: Room, x: f64, y: f64) -> String {
        let x = self.x.place(x, room.left, room.right);
        let y = self.y.place(y, room.bottom, room.top);
        format!("{x:.1},{y:.1}")
    }

    fn draw(&self, svg: &mut String, room: Room, series: &Series, colour: usize) {
        let join = |points: Vec<String>| points.join(" ");
        let line = match &series.marks {
            Marks::Line(points) | Marks::Dashes(points) => {
                join(points.iter().map(|&(x, y)| self.point(room, x, y)).collect())
            }
            Marks::Band(points) => {
                let below = points.iter().map(|&(x, low, _)| self.point(room, x, low));
                let above = points.iter().rev().map(|&(x, _, high)| self.point(room, x, high));
                join(below.chain(above).collect())
            }
        };
        let dashes = if matches!(series.marks, Marks::Dashes(_)) { " stroke-dasharray=\"6 4\"" } else { "" };
        // Writing to a string does not fail.
        let _ = match series.marks {
            Marks::Band(_) => writeln!(svg, "<polygon class=\"band f{colour}\" points=\"{line}\"/>"),
            Marks::Line(_) | Marks::Dashes(_) => {
                writeln!(svg, "<polyline class=\"line s{colour}\"{dashes} points=\"{line}\"/>")
            }
        };
    }
}

/// On the right, above the data. How wide a word is nobody knows here: the room is for wide letters.
fn legend(svg: &mut String, room: Room, names: &[&str]) {
    let width = |name: &str| 8.5 * name.chars().count() as f64 + 34.0;
    let mut x = room.right - names.iter().map(|name| width(name)).sum::<f64>();
    for (index, name) in names.iter().enumerate() {
        let (colour, y) = (index % COLOURS, room.top - 14.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<rect class=\"f{colour}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"14\" height=\"4\"/>",
            x + 14.0
        );
        words(svg, [x + 34.0, room.top - 8.0], "start", name);
        x += width(name);
    }
}

/// Bars from a reference, one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// Where all bars begin.
    pub from: f64,
    /// The name of each bar, and where it ends.
    pub bars: Vec<(String, f64)>,
}

impl Bars {
    /// The text of the file.
    pub fn svg(&self) -> String {
        let (top, right) = (44.0, WIDTH - RIGHT - 40.0);
        let bottom = top + BAR * self.bars.len() as f64;
        let mut svg = head(&self.title, bottom + BOTTOM);
        for (value, label) in self.x.ticks() {
            let x = self.x.place(value, NAMES, right);
            grid(&mut svg, [x, top, x, bottom]);
            words(&mut svg, [x, bottom + 18.0], "middle", &label);
        }
        let start = self.x.place(self.from, NAMES, right);
        for (index, (name, value)) in self.bars.iter().enumerate() {
            let (y, end) = (top + BAR * index as f64, self.x.place(*value, NAMES, right));
            let (x, width, colour) = (start.min(end), (end - start).abs(), usize::from(*value < self.from));
            words(&mut svg, [NAMES - 8.0, y + 14.0], "end", name);
            words(&mut svg, [start.max(end) + 6.0, y + 14.0], "start", &format!("{value:.2}"));
            let _ = writeln!(
                svg,
                "<rect class=\"f{colour}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>",
                y + 3.0,
                BAR - 6.0
            );
        }
        frame(&mut svg, [NAMES, top, right - NAMES, bottom - top]);
        words(&mut svg, [(NAMES + right) / 2.0, bottom + 40.0], "middle", &self.x.label);
        svg + "</svg>\n"
    }
}

fn head(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{}</title>\n{STYLE}",
        escaped(title)
    );
    let _ = writeln!(svg, "<text class=\"title\" x=\"12\" y=\"24\">{}</text>", escaped(title));
    svg
}

fn grid(svg: &mut String, [x1, y1, x2, y2]: [f64; 4]) {
    let _ =
        writeln!(svg, "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn frame(svg: &mut String, [x, y, width, height]: [f64; 4]) {
    let _ = writeln!(
        svg,
        "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
    );
}

fn words(svg: &mut String, [x, y]: [f64; 2], anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        Chart {
            title: "error & bound".into(),
            x: Axis::linear("time, h", 0.0, 10.0),
            y: Axis::log("error, µs", 1.0, 1000.0),
            series: vec![
                Series::new("ours", Marks::Band(vec![(0.0, 1.0, 10.0), (10.0, 1.0, 100.0)])),
                Series::new("ours", Marks::Line(vec![(0.0, 5.0), (10.0, 50.0)])),
                Series::new("normal", Marks::Dashes(vec![(0.0, 5.0), (10.0, 5000.0)])),
            ],
        }
    }

    #[test]
    fn every_point_is_within_the_frame() {
        let svg = chart().svg();
        let points = svg.lines().filter_map(|line| line.split("points=\"").nth(1));
        for pair in points.flat_map(|points| points.trim_end_matches("\"/>").split(' ')) {
            let (x, y) = pair.split_once(',').expect("two coordinates");
            let (x, y): (f64, f64) = (x.parse().expect("a number"), y.parse().expect("a number"));
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y), "{pair}");
        }
        assert_eq!(svg.matches("points=").count(), 3);
    }

    #[test]
    fn axes_and_series_are_labelled_and_words_are_harmless() {
        let svg = chart().svg();
        for word in ["time, h", "error, µs", ">ours<", ">normal<", "error &amp; bound", "stroke-dasharray"] {
            assert!(svg.contains(word), "{word}");
        }
        assert!(!svg.contains("error & bound"));
        assert_eq!(svg.matches(">ours<").count(), 1, "one word for both");
    }

    #[test]
    fn bars_go_both_ways_from_the_reference() {
        let bars = Bars {
            title: "times better".into(),
            x: Axis::log("ratio", 0.1, 100.0),
            from: 1.0,
            bars: vec![("queue".into(), 10.0), ("luck".into(), 0.5)],
        };
        let svg = bars.svg();
        assert!(svg.contains("class=\"f0\"") && svg.contains("class=\"f1\""));
        assert!(svg.contains(">10.00<") && svg.contains(">0.50<"));
    }
}
