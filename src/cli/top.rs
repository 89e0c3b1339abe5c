//! `top`: units on the whole terminal, with what they use, the log of the selected one, and keys
//! to start, stop and restart it.

mod screen;
mod state;

use super::client::Client;
use super::error::Problem;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use state::{State, Step};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often everything is asked for anew.
const REFRESH: Duration = Duration::from_secs(1);

/// Shows the screen until `q`.
pub(super) async fn run(socket: &Path) -> Result<u8, Problem> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Problem::local("top needs a terminal; see list and status"));
    }
    let mut client = Client::connect(socket).await?;
    let mut state = State::default();
    state.refresh(&mut client).await?;
    let mut keys = read_keys();
    let mut terminal = ratatui::init();
    let result = watch(&mut terminal, &mut client, &mut state, &mut keys).await;
    ratatui::restore();
    result.map(|()| 0)
}

/// Keys come from a thread: reading them blocks.
fn read_keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn watch(
    terminal: &mut ratatui::DefaultTerminal,
    client: &mut Client,
    state: &mut State,
    keys: &mut mpsc::Receiver<Event>,
) -> Result<(), Problem> {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        terminal
            .draw(|frame| screen::draw(frame, state))
            .map_err(|error| Problem::local(format!("cannot draw: {error}")))?;
        tokio::select! {
            event = keys.recv() => {
                let Some(event) = event else { return Ok(()) };
                match step(&event) {
                    Some(Step::Quit) => return Ok(()),
                    Some(step) => state.take(client, step).await?,
                    None => {}
                }
            }
            _ = ticks.tick() => state.refresh(client).await?,
        }
    }
}

/// What a key means.
fn step(event: &Event) -> Option<Step> {
    let Event::Key(key) = event else {
        // A new size: drawn anew by itself.
        return None;
    };
    if key.kind != KeyEventKind::Press {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Step::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Step::Quit,
        KeyCode::Up | KeyCode::Char('k') => Step::Up,
        KeyCode::Down | KeyCode::Char('j') => Step::Down,
        KeyCode::Home => Step::First,
        KeyCode::End => Step::Last,
        KeyCode::Char('s') => Step::Start,
        KeyCode::Char('t') => Step::Stop,
        KeyCode::Char('r') => Step::Restart,
        KeyCode::Char('a') => Step::All,
        _ => return None,
    })
}
