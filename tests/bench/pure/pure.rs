//! What the pure code costs alone: reading units, a transaction, one restart of a service in the
//! engine, the answer to a GetAll. No process, no file, no root.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use procmgr::bus::encoded_properties;
use procmgr::engine::{Effect, Engine, Event, ProcessStatus, RequestId, Timestamp, Verb};
use procmgr::unit::config::{JobMode, UnitConfig};
use procmgr::unit::load::{MemorySource, Settings, load_closure};
use procmgr::unit::name::UnitName;
use procmgr::unit::value::Signal;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

/// How many units are read, and how long the chain is.
const UNITS: usize = 1000;

fn name(text: &str) -> UnitName {
    UnitName::parse(text).expect("names here are those of units")
}

/// A chain of services, each of which needs the one before.
fn files() -> MemorySource {
    (0..UNITS).fold(MemorySource::new(), |source, number| {
        let before = match number {
            0 => String::new(),
            _ => format!("Requires=w{0}.service\nAfter=w{0}.service\n", number - 1),
        };
        let text = format!(
            "[Unit]\nDescription=Worker {number}\nDefaultDependencies=no\nStartLimitIntervalSec=0\n{before}\
             [Service]\nExecStart=/bin/worker --number {number}\nEnvironment=A=1 B=2\n\
             Restart=always\nRestartSec=0\nTimeoutStopSec=20\nLimitNOFILE=4096\n"
        );
        source.file(&format!("/units/w{number}.service"), text)
    })
}

fn read(source: &MemorySource, last: usize) -> Vec<Arc<UnitConfig>> {
    let settings = Settings {
        path: vec!["/units".to_owned()],
        ..Settings::default()
    };
    let names = BTreeSet::from([name(&format!("w{last}.service"))]);
    let units = load_closure(&names, &BTreeSet::new(), &settings, source);
    units.into_values().collect()
}

/// The engine, and who does at once what it orders.
struct World {
    engine: Engine,
    time: u64,
    pid: i32,
}

impl World {
    fn with(units: Vec<Arc<UnitConfig>>) -> World {
        let mut world = World {
            engine: Engine::new(1),
            time: 1_000_000,
            pid: 100,
        };
        world.tell(Event::Load { units });
        world
    }

    fn tell(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            self.time += 1;
            let now = Timestamp {
                monotonic: self.time,
                realtime: self.time,
            };
            self.engine.handle(now, event);
            while let Some(effect) = self.engine.poll_effect() {
                events.extend(self.answer(effect));
            }
        }
    }

    fn answer(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Spawn(spawn) => {
                self.pid += 1;
                Some(Event::Spawned {
                    process: spawn.process,
                    pid: self.pid,
                    executed: true,
                })
            }
            Effect::Kill(order) => Some(Event::Killed {
                unit: order.unit,
                order: order.order,
                remaining: false,
            }),
            _ => None,
        }
    }

    fn start(&mut self, unit: &str) {
        self.tell(Event::Request {
            request: RequestId(1),
            unit: name(unit),
            verb: Verb::Start,
            mode: JobMode::Replace,
        });
    }

    /// The main process of the last unit is killed and its next one started.
    fn restart(&mut self) {
        let process = self.engine.ledger().processes().last();
        let (process, _) = process.expect("a service runs");
        let status = ProcessStatus::Killed(Signal::KILL);
        self.tell(Event::Exited { process, status });
        self.tell(Event::Elapsed);
    }
}

fn loading(criterion: &mut Criterion) {
    let source = files();
    criterion.bench_function("read 1000 units", |bencher| {
        bencher.iter(|| black_box(read(&source, UNITS - 1)));
    });
}

fn transaction(criterion: &mut Criterion) {
    let units = read(&files(), UNITS - 1);
    let last = format!("w{}.service", UNITS - 1);
    criterion.bench_function("start a chain of 1000", |bencher| {
        let fresh = || World::with(units.clone());
        bencher.iter_batched_ref(fresh, |world| world.start(&last), BatchSize::LargeInput);
    });
}

fn step(criterion: &mut Criterion) {
    let mut world = World::with(read(&files(), 0));
    world.start("w0.service");
    let before = world.pid;
    world.restart();
    assert_eq!(world.pid, before + 1, "it was started again");
    criterion.bench_function("restart a service in the engine", |bencher| {
        bencher.iter(|| world.restart());
    });
}

fn encoding(criterion: &mut Criterion) {
    let world = World::with(read(&files(), 0));
    criterion.bench_function("all properties of a service, encoded", |bencher| {
        bencher.iter(|| encoded_properties(&world.engine, black_box("w0.service")));
    });
}

criterion_group!(pure, loading, transaction, step, encoding);
criterion_main!(pure);
