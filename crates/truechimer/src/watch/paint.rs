//! Painting the view on a terminal, or into any buffer of letters.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;
use ratatui::widgets::{Axis, Block, Borders, Chart, Clear, Dataset, GraphType, Paragraph};

use super::state::Panel;
use super::view::{Curves, Row, View};
use crate::ui::colour::{Colours, Mood};

/// Sources take no more than a third of the screen, if all is shown.
const SOURCES_SHARE: u16 = 3;

/// Paints all of it.
pub fn paint(frame: &mut Frame<'_>, view: &View, colours: Colours) {
    let brush = Brush { colours };
    let [head, middle, foot] =
        Layout::vertical([Constraint::Length(3), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    brush.rows(frame, head, &view.head);
    match view.panel {
        Panel::All => brush.all(frame, middle, view),
        Panel::Curves => brush.curves(frame, middle, &view.curves),
        Panel::Sources => brush.list(frame, middle, (&view.sources.0, &view.sources.1)),
        Panel::Events => brush.list(frame, middle, ("events", &view.events)),
    }
    frame.render_widget(Paragraph::new(view.foot.as_str()).style(brush.style(Some(Mood::Faint))), foot);
    if let Some(help) = &view.help {
        brush.help(frame, middle, help);
    }
}

struct Brush {
    colours: Colours,
}

impl Brush {
    fn style(&self, mood: Option<Mood>) -> Style {
        let style = Style::new();
        match mood.filter(|_| self.colours.are_on()) {
            None => style,
            Some(Mood::Good) => style.fg(Color::Green),
            Some(Mood::Doubtful) => style.fg(Color::Yellow),
            Some(Mood::Bad) => style.fg(Color::Red),
            Some(Mood::Faint) => style.add_modifier(Modifier::DIM),
        }
    }

    fn all(&self, frame: &mut Frame<'_>, area: Rect, view: &View) {
        let wanted = u16::try_from(view.sources.1.len()).unwrap_or(u16::MAX).saturating_add(1);
        let sources = wanted.min((area.height / SOURCES_SHARE).max(3));
        let [curves, sources, events] =
            Layout::vertical([Constraint::Fill(3), Constraint::Length(sources), Constraint::Fill(2)])
                .areas(area);
        self.curves(frame, curves, &view.curves);
        self.list(frame, sources, (&view.sources.0, &view.sources.1));
        self.list(frame, events, ("events", &view.events));
    }

    fn rows(&self, frame: &mut Frame<'_>, area: Rect, rows: &[Row]) {
        let lines: Vec<Line<'_>> =
            rows.iter().map(|(mood, text)| Line::styled(text.as_str(), self.style(*mood))).collect();
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// What has no room is told to be there.
    fn list(&self, frame: &mut Frame<'_>, area: Rect, (title, rows): (&str, &[Row])) {
        let room = usize::from(area.height.saturating_sub(1));
        let title = match rows.len().saturating_sub(room) {
            0 => title.to_owned(),
            more => format!("{title} ({more} more)"),
        };
        let block = block(&title);
        let inner = block.inner(area);
        frame.render_widget(block, area);
        self.rows(frame, inner, &rows[..rows.len().min(room)]);
    }

    fn curves(&self, frame: &mut Frame<'_>, area: Rect, curves: &Curves) {
        let line = |marker: Marker, mood: Mood| {
            let style = self.style(Some(mood));
            move |points| {
                let line = Dataset::default().marker(marker).graph_type(GraphType::Line);
                line.style(style).data(points)
            }
        };
        let bounds = curves.bound.iter().map(Vec::as_slice).map(line(Marker::Dot, Mood::Faint));
        let offsets = curves.offset.iter().map(Vec::as_slice).map(line(Marker::Braille, Mood::Good));
        let dates = Axis::default().bounds(curves.x).labels(curves.dates.iter().map(String::as_str));
        let heights = Axis::default().bounds(curves.y).labels(curves.heights.iter().map(String::as_str));
        let chart = Chart::new(bounds.chain(offsets).collect());
        frame.render_widget(chart.x_axis(dates).y_axis(heights).block(block(&curves.title)), area);
    }

    fn help(&self, frame: &mut Frame<'_>, area: Rect, help: &[String]) {
        let width = help.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 4;
        let width = u16::try_from(width).unwrap_or(u16::MAX).min(area.width);
        let height = u16::try_from(help.len() + 2).unwrap_or(u16::MAX).min(area.height);
        let place = area.centered(Constraint::Length(width), Constraint::Length(height));
        let lines: Vec<Line<'_>> = help.iter().map(|line| Line::raw(line.as_str())).collect();
        frame.render_widget(Clear, place);
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("keys")), place);
    }
}

fn block(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(title)
}
