//! A sheet: charts one below the other, and behind each what the time was like: spells, and the turns that it took.

use std::fmt::Write;

use super::{BOTTOM, Chart, LEFT, RIGHT, Room, TOP, WIDTH, escaped, head, words};

/// The height of a panel's data, in pixels.
const DEPTH: f64 = 190.0;

/// Between two panels.
const GAP: f64 = 8.0;

/// A letter is hardly wider; so wide a spell has room for its word.
const LETTER: f64 = 8.5;

/// From one word of a turn to the next.
const TURNS_APART: f64 = 24.0;

const STYLE: &str = "<style>\
.spell{opacity:.16}.turn{stroke:#cf222e;stroke-dasharray:2 3}.small{font-size:11px}\
@media(prefers-color-scheme:dark){.turn{stroke:#ff7b72}}\
</style>\n";

/// A stretch of the axis from left to right that was not like the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Spell {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// What it was like, in a word.
    pub word: String,
    /// Its colour, of those that series have.
    pub colour: usize,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Where.
    pub at: f64,
    /// What, in a word.
    pub word: String,
}

/// A chart of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What is drawn.
    pub chart: Chart,
    /// What lies behind it.
    pub spells: Vec<Spell>,
    /// What cuts through it.
    pub turns: Vec<Turn>,
    /// A sentence in its middle, as where there is nothing to draw.
    pub note: Option<String>,
}

/// Charts one below the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// What they show together.
    pub title: String,
    /// From above.
    pub panels: Vec<Panel>,
}

impl Sheet {
    /// The text of the file.
    pub fn svg(&self) -> String {
        let each = TOP + DEPTH + BOTTOM + GAP;
        let begin = 30.0;
        let mut svg = head(&self.title, begin + each * self.panels.len() as f64);
        svg += STYLE;
        for (index, panel) in self.panels.iter().enumerate() {
            let above = begin + each * index as f64;
            let top = above + TOP;
            // Writing to a string does not fail.
            let _ = writeln!(
                svg,
                "<text class=\"title\" x=\"12\" y=\"{:.1}\">{}</text>",
                above + 24.0,
                escaped(&panel.chart.title)
            );
            panel.draw(&mut svg, Room { left: LEFT, top, right: WIDTH - RIGHT, bottom: top + DEPTH });
        }
        svg + "</svg>\n"
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, room: Room) {
        for spell in &self.spells {
            self.draw_spell(svg, room, spell);
        }
        self.chart.draw_axes(svg, room);
        self.chart.draw_series(svg, room);
        self.draw_turns(svg, room);
        if let Some(note) = &self.note {
            words(svg, [(room.left + room.right) / 2.0, (room.top + room.bottom) / 2.0], "middle", note);
        }
    }

    fn draw_spell(&self, svg: &mut String, room: Room, spell: &Spell) {
        let [from, to] = [spell.from, spell.to].map(|x| self.chart.x.place(x, room.left, room.right));
        let (top, height, word) = (room.top, room.bottom - room.top, escaped(&spell.word));
        let width = (to - from).max(1.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            svg,
            "<rect class=\"spell f{}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{word}</title></rect>",
            spell.colour % super::COLOURS
        );
        if LETTER * spell.word.chars().count() as f64 <= width {
            small(svg, [(from + to) / 2.0, room.bottom - 6.0], "middle", &spell.word);
        }
    }

    /// Words do not lie on each other: what happened right after another thing is told by its title alone.
    fn draw_turns(&self, svg: &mut String, room: Room) {
        let mut free = room.left;
        for turn in &self.turns {
            let x = self.chart.x.place(turn.at, room.left, room.right);
            let (top, bottom, word) = (room.top, room.bottom, escaped(&turn.word));
            let _ = writeln!(
                svg,
                "<line class=\"turn\" x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"><title>{word}</title></line>"
            );
            let width = LETTER * turn.word.chars().count() as f64;
            if free <= x && x + width <= room.right {
                small(svg, [x + 3.0, room.top + 12.0], "start", &turn.word);
                free = x + width + TURNS_APART;
            }
        }
    }
}

fn small(svg: &mut String, [x, y]: [f64; 2], anchor: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        svg,
        "<text class=\"small\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Axis, Marks, Series};

    fn sheet() -> Sheet {
        let chart = Chart {
            title: "offset".into(),
            x: Axis::dates("UTC", 0.0, 3600.0),
            y: Axis::linear("ms", -1.0, 1.0),
            series: vec![Series::new("clock", Marks::Line(vec![(0.0, 0.5), (3600.0, 0.0)]))],
        };
        let spell = |from, to| Spell { from, to, word: "holdover".into(), colour: 4 };
        let turn = |at, word: &str| Turn { at, word: word.into() };
        let spells = vec![spell(600.0, 1800.0), spell(2000.0, 2010.0)];
        let turns = vec![turn(900.0, "stepped"), turn(901.0, "<again>"), turn(3599.0, "last")];
        let empty = Chart { title: "nothing".into(), series: Vec::new(), ..chart.clone() };
        let note = Some("not known".into());
        Sheet {
            title: "host".into(),
            panels: vec![
                Panel { chart, spells, turns, note: None },
                Panel { chart: empty, spells: Vec::new(), turns: Vec::new(), note },
            ],
        }
    }

    #[test]
    fn every_panel_has_its_own_room() {
        let svg = sheet().svg();
        let frames: Vec<&str> = svg.lines().filter(|line| line.contains("class=\"frame\"")).collect();
        assert_eq!(frames.len(), 2);
        assert!(frames[0].contains("y=\"92.0\"") && frames[1].contains("y=\"404.0\""), "{frames:?}");
        assert!(svg.contains(">not known<") && svg.contains(">offset<") && svg.contains(">nothing<"));
    }

    #[test]
    fn what_has_no_room_for_its_word_has_a_title() {
        let svg = sheet().svg();
        assert_eq!(svg.matches("<title>holdover</title>").count(), 2);
        assert_eq!(svg.matches(">holdover</text>").count(), 1);
        assert_eq!(svg.matches(">stepped</text>").count(), 1);
        assert_eq!(svg.matches("&lt;again&gt;").count(), 1, "too close to the one before");
        assert_eq!(svg.matches(">last</text>").count(), 0, "it would leave the frame");
    }
}
