//! What is open, and who gets it.

use super::{Check, Sight, Verdict};
use procmgr::engine::{Effect, PassedSource};

/// Sockets are made once before they are closed, and closed when their unit is down; only those
/// that are there are watched and passed; who listens hears of traffic.
pub(crate) struct OpenSockets;

impl Check for OpenSockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    fn effect(&mut self, sight: &Sight<'_, '_>, effect: &Effect) -> Verdict {
        let sockets = &sight.world.sockets;
        match effect {
            Effect::OpenSockets { unit, .. } if sockets.contains_key(unit) => {
                Err(format!("the sockets of {unit:?} are made twice"))
            }
            Effect::CloseSockets { unit, .. } if !sockets.contains_key(unit) => {
                Err(format!("the sockets of {unit:?} are closed twice"))
            }
            Effect::WatchSockets { unit, .. } if !sockets.get(unit).is_some_and(|it| it.made) => {
                Err(format!(
                    "sockets of {unit:?} are watched that are not there"
                ))
            }
            Effect::Spawn(spawn) => {
                let is_there = |source| match source {
                    PassedSource::Socket { unit, .. } => {
                        sockets.get(&unit).is_some_and(|it| it.made)
                    }
                    PassedSource::Connection(_) | PassedSource::Stored(_) => true,
                };
                match spawn.passed.iter().find(|it| !is_there(it.source)) {
                    Some(passed) => Err(format!(
                        "{} gets {passed:?}, which is not there",
                        spawn.config.name
                    )),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, sight: &Sight<'_, '_>, _: bool) -> Verdict {
        let picture = sight.picture();
        let down = |unit| picture.units.get(unit).is_none_or(|seen| seen.is_down());
        match sight.world.sockets.keys().find(|unit| down(unit)) {
            Some(unit) => Err(format!("{unit:?} is down and has sockets")),
            None => Ok(()),
        }
    }

    fn rest(&mut self, sight: &Sight<'_, '_>) -> Verdict {
        let timed = sight.world.engine.next_deadline().is_some();
        for (unit, opened) in &sight.world.sockets {
            let seen = sight.picture().unit(*unit);
            let deaf = opened.watch.is_none() || opened.waiting > 0;
            // PollLimit...= may make them wait.
            if seen.sub == "listening" && deaf && !timed {
                return Err(format!("{} does not hear its clients", seen.name()));
            }
        }
        Ok(())
    }
}
