//! What the technician's mode looks like on a terminal, down to 80 columns and 25 lines, with the characters that every
//! code page of Windows has.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Style},
    text::{Line, Span},
    widgets::{Block, Gauge, Paragraph, Wrap},
};

use super::technician::{Page, Technician};
use crate::{
    cli::{shown, window::Panel},
    record::{Severity, State, Status},
};

const BAR: Style = Style::new().fg(Color::White).bg(Color::Blue);
const CHOSEN: Style = Style::new().fg(Color::Black).bg(Color::Gray);
const FAINT: Style = Style::new().fg(Color::DarkGray);
const WRONG: Style = Style::new().fg(Color::Red);

/// Most lines for what a run has to say at its end.
const MOST_TOLD: usize = 8;

/// Draws one screen.
pub(super) fn draw(frame: &mut Frame<'_>, technician: &Technician, status: &Status) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    let is_watching = matches!(technician.page(), Page::Watch);
    let title = if is_watching { &*status.title } else { "Technician's mode" };
    frame.render_widget(Paragraph::new(format!(" coldstate   {title}")).style(BAR), head);
    if is_watching {
        let time = format!("{} ", shown::clock(technician.panel().time(status)));
        frame.render_widget(Paragraph::new(time).style(BAR).alignment(Alignment::Right), head);
        watch(frame, body, status, technician.panel());
        buttons(frame, foot, status, technician.panel());
    } else {
        question(frame, body, technician);
        frame.render_widget(Paragraph::new(format!(" {}", keys(technician))).style(BAR), foot);
    }
}

fn keys(technician: &Technician) -> &'static str {
    match technician.page() {
        Page::List { ticks: Some(_), .. } => "Up, Down: move   Space: tick   Enter: go on   Esc: back",
        Page::List { .. } => "Up, Down: move   Enter: choose   Esc: back",
        Page::Entry { .. } => "Enter: go on   Esc: back",
        Page::Summary(_) => technician.options(),
        Page::Wait(_) => "Esc: back",
        Page::Watch => "",
    }
}

fn question(frame: &mut Frame<'_>, body: Rect, technician: &Technician) {
    let areas = [Constraint::Length(3), Constraint::Min(0), Constraint::Length(4)];
    let [asks, middle, problem] = Layout::vertical(areas).horizontal_margin(2).areas(body);
    let asks = Rect { y: asks.y + 1, height: 1, ..asks };
    match technician.page() {
        Page::Wait(what) => frame.render_widget(Paragraph::new(format!("{what} ...")), asks),
        _ => frame.render_widget(Paragraph::new(technician.asks()), asks),
    }
    match technician.page() {
        Page::List { rows, at, ticks } => list(frame, middle, rows, *at, ticks.as_deref()),
        Page::Entry { text, hidden } => {
            // The end of what is typed is what one looks at.
            let room = usize::from(middle.width).saturating_sub(3);
            let count = text.chars().count();
            let from = count.saturating_sub(room);
            let shown: String = match hidden {
                true => "*".repeat(count - from),
                false => text.chars().skip(from).collect(),
            };
            let line = Rect { height: 1, ..middle };
            frame.render_widget(Paragraph::new(format!("> {shown}_")).style(CHOSEN), line);
        }
        Page::Summary(lines) => {
            let mut text: Vec<Line<'_>> =
                lines.iter().map(|(name, value)| Line::raw(format!("{name:<12}{value}"))).collect();
            text.push(Line::raw(""));
            text.push(Line::styled("The same on a command line:", FAINT));
            text.push(Line::styled(typed(&technician.typed()), FAINT));
            frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), middle);
        }
        Page::Wait(_) | Page::Watch => {}
    }
    if let Some(text) = technician.problem() {
        frame.render_widget(Paragraph::new(text).style(WRONG).wrap(Wrap { trim: true }), problem);
    }
}

/// A command line as it is typed: words with blanks in quotation marks.
fn typed(words: &[String]) -> String {
    let quoted = |word: &String| match word.contains(' ') || word.is_empty() {
        true => format!("\"{word}\""),
        false => word.clone(),
    };
    std::iter::once("coldstate".to_owned()).chain(words.iter().map(quoted)).collect::<Vec<_>>().join(" ")
}

fn list(frame: &mut Frame<'_>, area: Rect, rows: &[(String, String)], at: usize, ticks: Option<&[bool]>) {
    let room = usize::from(area.height).max(1);
    let first = (at + 1).saturating_sub(room);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(44);
    let line = |(number, (name, what)): (usize, &(String, String))| {
        let tick = match ticks.and_then(|ticks| ticks.get(number)) {
            Some(true) => "[x] ",
            Some(false) => "[ ] ",
            None => "",
        };
        let mark = if number == at { ">" } else { " " };
        let text = format!("{mark} {tick}{name:<width$}  {what}");
        Line::styled(text, if number == at { CHOSEN } else { Style::new() })
    };
    let lines: Vec<Line<'_>> = rows.iter().enumerate().skip(first).take(room).map(line).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn watch(frame: &mut Frame<'_>, body: Rect, status: &Status, panel: &Panel) {
    if panel.shows_log() {
        return log(frame, body, status, panel);
    }
    let rows = status.steps.len().max(status.users.len()).min(6) as u16 + 1;
    let what = match &status.end {
        Some(end) => end.text.replace('\n', "  "),
        None => status.current.clone(),
    };
    // Why a run failed and what to do is read to its end; lines that break between words take one more.
    let room = usize::from(body.width.saturating_sub(2)).max(1);
    let told = if status.end.is_some() { what.chars().count().div_ceil(room) + 1 } else { 1 };
    let areas = [
        Constraint::Length(rows),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(2 + told.min(MOST_TOLD) as u16),
        Constraint::Min(0),
    ];
    let [columns, _, bar, counts, below] = Layout::vertical(areas).areas(body);
    let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)])
        .horizontal_margin(1)
        .spacing(3)
        .areas(columns);
    let steps = status.steps.iter().map(|(step, state)| (step.name(), *state)).collect::<Vec<_>>();
    states(frame, left, "Steps".to_owned(), &steps);
    let users = status.users.iter().map(|(name, state)| (&**name, *state)).collect::<Vec<_>>();
    states(frame, right, shown::users(status), &users);
    let done = status.end.as_ref().is_some_and(|end| end.is_done);
    let share = if done { 1000 } else { status.per_mille().unwrap_or(0) };
    let gauge = Gauge::default().ratio(share as f64 / 1000.0).label(shown::share(status));
    let bar = bar.inner(ratatui::layout::Margin::new(1, 0));
    frame.render_widget(gauge.gauge_style(Style::new().fg(Color::Blue).bg(Color::Gray)), bar);
    let counts = counts.inner(ratatui::layout::Margin::new(1, 0));
    let text = vec![
        Line::raw(format!("{:<40}{:>38}", shown::pace(status), together(status))),
        Line::styled(shown::errors(status), if status.failed > 0 { WRONG } else { Style::new() }),
        Line::raw(what),
    ];
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), counts);
    log(frame, below, status, panel);
}

/// Bytes and items, as far as they are known.
fn together(status: &Status) -> String {
    let parts = [shown::volume(status), shown::items(status)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Names, each with how far it is; of many, those around the first that is not done.
fn states(frame: &mut Frame<'_>, area: Rect, heading: String, all: &[(&str, State)]) {
    let room = usize::from(area.height).saturating_sub(1);
    let at = all.iter().position(|(_, state)| *state != State::Done).unwrap_or(all.len());
    let first = at.saturating_sub(1).min(all.len().saturating_sub(room));
    let width = usize::from(area.width).saturating_sub(11);
    let line = |(name, state): &(&str, State)| {
        let (mark, style) = match state {
            State::Waiting => (' ', FAINT),
            State::Running => ('>', Style::new()),
            State::Done => ('+', Style::new()),
            State::Stopped => ('!', WRONG),
        };
        let name: String = name.chars().take(width).collect();
        Line::styled(format!("{mark} {name:<width$} {:>8}", shown::state(*state)), style)
    };
    let mut lines = vec![Line::styled(heading, FAINT)];
    lines.extend(all.iter().skip(first).take(room).map(line));
    frame.render_widget(Paragraph::new(lines), area);
}

fn log(frame: &mut Frame<'_>, area: Rect, status: &Status, panel: &Panel) {
    let block = Block::bordered().title(" Log ").border_style(FAINT);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let shown = panel.window_of(status.lines.len(), usize::from(inside.height));
    let line = |line: &crate::record::Line| {
        let style = match line.severity {
            Severity::Info => Style::new(),
            Severity::Warning => Style::new().fg(Color::Yellow),
            Severity::Error => WRONG,
        };
        Line::styled(line.text.replace(['\n', '\r', '\t'], " "), style)
    };
    let lines: Vec<Line<'_>> = status.lines.get(shown).unwrap_or_default().iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines), inside);
}

fn buttons(frame: &mut Frame<'_>, foot: Rect, status: &Status, panel: &Panel) {
    let (buttons, focus) = panel.buttons(status);
    let mut spans = vec![Span::raw(if panel.asks() { " Stop this run?  " } else { " " })];
    for (number, button) in buttons.iter().enumerate() {
        let label = button.label(panel.shows_log());
        match number == focus {
            true => spans.push(Span::styled(format!("[{label}]"), CHOSEN)),
            false => spans.push(Span::raw(format!(" {label} "))),
        }
        spans.push(Span::raw("  "));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)).style(BAR), foot);
    let hint = "Tab, Enter: buttons   Up, Down: log ";
    frame.render_widget(Paragraph::new(hint).style(BAR).alignment(Alignment::Right), foot);
}
