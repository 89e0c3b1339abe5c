//! What people do, as events of the engine.

use super::checks::Finding;
use super::scenario::Deed;
use super::world::World;
use procmgr::engine::{Event, JobId, RequestId};
use procmgr::unit::config::JobMode;
use procmgr::unit::name::UnitName;

impl World<'_> {
    /// Reads what is not loaded of a unit and all that it names.
    fn with_loaded(&mut self, unit: &UnitName) -> Result<(), Finding> {
        let units = self.picture.missing([unit.clone()]);
        if units.is_empty() {
            return Ok(());
        }
        self.seen.insert("loaded again");
        self.handle(Event::Load { units }, None)
    }

    /// Somebody does something.
    pub(crate) fn act(&mut self, deed: Deed) -> Result<(), Finding> {
        if let Deed::Job(unit, ..) | Deed::Keep(unit) | Deed::Hold(unit, _) = &deed {
            self.with_loaded(unit)?;
        }
        if let Deed::OfInstance(number, verb) = deed {
            let Some(unit) = self.one_instance(number) else {
                return Ok(());
            };
            return self.act(Deed::Job(unit, verb, JobMode::Replace));
        }
        match &deed {
            Deed::Touch(path, there) => {
                self.touch_path(path, *there);
                return Ok(());
            }
            Deed::ClockJump(seconds) => return self.set_clock(*seconds),
            Deed::ZoneChange => return self.handle(Event::ZoneChanged, None),
            _ => {}
        }
        if let Deed::Traffic(unit) = &deed {
            if let Some(unit) = self.picture.find(unit) {
                self.bring_traffic(unit);
            }
            return Ok(());
        }
        self.requests += 1;
        let request = RequestId(self.requests);
        let mut loose = None;
        let event = match deed {
            Deed::Job(unit, verb, mode) => {
                let id = self.engine.unit(unit.as_str()).map(|view| view.id);
                match mode {
                    JobMode::IgnoreDependencies => {
                        loose = id;
                        self.picture.loose.extend(id);
                    }
                    JobMode::IgnoreRequirements => self.picture.loose.extend(id),
                    JobMode::Isolate | JobMode::Flush => self.picture.displacing = true,
                    JobMode::Replace
                    | JobMode::Fail
                    | JobMode::ReplaceIrreversibly
                    | JobMode::Triggering
                    | JobMode::RestartDependencies => {}
                }
                Event::Request {
                    request,
                    unit,
                    verb,
                    mode,
                }
            }
            Deed::Kill(unit, whom, signal) => Event::Kill {
                request,
                unit,
                whom,
                signal,
            },
            Deed::ResetFailed(unit) => Event::ResetFailed { request, unit },
            Deed::Cancel(number) => {
                let jobs: Vec<JobId> = self.picture.jobs.keys().copied().collect();
                // Mostly one that is there, if any is.
                let job = number.map(|number| match jobs.len() as u64 {
                    0 => JobId(u32::MAX),
                    count => jobs[(number % count) as usize],
                });
                Event::Cancel { request, job }
            }
            Deed::Load(changed) => {
                self.picture.write(&changed);
                let names = changed.iter().map(|unit| unit.name.clone());
                let loaded: Vec<UnitName> = names
                    .filter(|name| self.picture.find(name).is_some())
                    .collect();
                let files = &self.picture.files;
                let mut units: Vec<_> = loaded.iter().map(|name| files[name].clone()).collect();
                let named = units.iter().flat_map(|unit| &unit.dependencies);
                let named: Vec<UnitName> = named.map(|edge| edge.target.clone()).collect();
                units.extend(self.picture.missing(named));
                Event::Load { units }
            }
            Deed::Keep(unit) => Event::Keep { unit },
            Deed::Hold(unit, holder) => {
                self.holds.push((unit.clone(), holder));
                Event::Hold {
                    request,
                    unit,
                    holder,
                }
            }
            Deed::Release(unit, holder) => {
                let mut holds = self.holds.iter();
                if let Some(place) = holds.position(|it| *it == (unit.clone(), holder)) {
                    self.holds.remove(place);
                }
                Event::Release {
                    request,
                    unit,
                    holder,
                }
            }
            Deed::HolderGone(holder) => {
                self.holds.retain(|(_, other)| *other != holder);
                Event::HolderGone { holder }
            }
            Deed::Abandon(unit) => Event::Abandon { request, unit },
            Deed::Traffic(_)
            | Deed::OfInstance(..)
            | Deed::Touch(..)
            | Deed::ClockJump(_)
            | Deed::ZoneChange => return Ok(()),
            Deed::Shutdown => Event::Shutdown,
        };
        self.handle(event, loose)
    }
}
