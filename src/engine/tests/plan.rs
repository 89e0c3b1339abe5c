//! Plans: what they say is what happens.

use super::world::{UnitBuilder, World, unit};
use crate::engine::event::Verb;
use crate::engine::inspect::{DropReason, Meets, PlanView, PlannedJob, Turned};
use crate::engine::state::JobKind;
use crate::engine::{JobResult, Refusal};
use crate::unit::config::{DependencyKind, JobMode, LoadState};
use crate::unit::name::UnitName;
use std::collections::BTreeSet;
use std::sync::Arc;

fn plan(world: &World, verb: Verb, units: &[&str]) -> PlanView {
    let units: Vec<UnitName> = units.iter().map(|u| UnitName::parse(u).unwrap()).collect();
    world.engine.plan(verb, &units, JobMode::Replace)
}

/// `step unit job: relation unit, ...`
fn told(plan: &PlanView) -> Vec<String> {
    let line = |job: &PlannedJob| {
        let why: Vec<String> = job
            .why
            .iter()
            .map(|r| format!("{} {}", r.relation, r.unit.stem()))
            .collect();
        let start = job.start_step.map_or_else(String::new, |s| format!("-{s}"));
        let (step, kind) = (job.step, job.kind.as_str());
        let line = format!(
            "{step}{start} {} {kind}: {}",
            job.unit.stem(),
            why.join(", ")
        );
        line.trim_end_matches([' ', ':']).to_owned()
    };
    plan.jobs.iter().map(line).collect()
}

fn dropped(plan: &PlanView) -> Vec<(String, JobKind, DropReason)> {
    let jobs = plan.requests.iter().flat_map(|request| &request.dropped);
    jobs.map(|job| (job.unit.stem().to_owned(), job.kind, job.cause.clone()))
        .collect()
}

#[test]
fn jobs_come_in_the_order_they_run_with_the_way_to_the_request() {
    let world = World::new([
        unit("web.service")
            .requires("app.service")
            .after("app.service")
            .conflicts("old.service"),
        unit("app.service")
            .wants("db.service")
            .after("db.service")
            .wants("log.service"),
        unit("db.service"),
        unit("log.service"),
        unit("old.service"),
    ]);
    let plan = plan(&world, Verb::Start, &["web.service"]);
    assert_eq!(
        told(&plan),
        [
            "1 db start: Wants app, Requires web",
            "1 log start: Wants app, Requires web",
            "2 app start: Requires web",
            "3 web start",
        ]
    );
    let nothing = ("old".to_owned(), JobKind::Stop, DropReason::NothingToDo);
    assert_eq!(dropped(&plan), [nothing]);
}

#[test]
fn a_restart_takes_its_dependents_down_first_and_up_last() {
    let mut world = World::new([
        unit("core.service"),
        unit("part.service")
            .dependency(DependencyKind::PartOf, "core.service")
            .after("core.service"),
        unit("needy.service")
            .requires("core.service")
            .after("core.service"),
        unit("idle.service").requires("core.service"),
    ]);
    world.must(Verb::Start, "part.service");
    world.must(Verb::Start, "needy.service");
    assert_eq!(
        told(&plan(&world, Verb::Restart, &["core.service"])),
        [
            "1-4 needy restart: RequiredBy core",
            "1-4 part restart: ConsistsOf core",
            "2-3 core restart",
        ]
    );
}

#[test]
fn what_is_left_out_says_why() {
    let mut world = World::new([
        unit("a.service")
            .wants("up.service")
            .wants("gone.service")
            .wants("masked.service")
            .wants("broken.service")
            .wants("circle.service")
            .wants("both.service")
            .conflicts("both.service")
            .after("circle.service"),
        unit("masked.service").config(|c| c.load = LoadState::Masked),
        unit("broken.service").requires("gone.service"),
        unit("up.service").wants("only.service"),
        unit("circle.service").after("a.service"),
        unit("both.service"),
        unit("only.service"),
    ]);
    world.must(Verb::Start, "up.service");
    world.must(Verb::Stop, "only.service");
    let plan = plan(&world, Verb::Start, &["a.service"]);
    assert_eq!(told(&plan), ["1 a start"]);
    let mut left_out: Vec<(String, JobKind, &str)> = dropped(&plan)
        .iter()
        .map(|(unit, kind, cause)| (unit.clone(), *kind, cause.word()))
        .collect();
    left_out.sort();
    let line = |unit: &str, kind, cause| (unit.to_owned(), kind, cause);
    assert_eq!(
        left_out,
        [
            line("a", JobKind::Stop, "conflict"),
            line("both", JobKind::Start, "conflict"),
            line("both", JobKind::Stop, "nothing-to-do"),
            line("broken", JobKind::Start, "not-found"),
            line("circle", JobKind::Start, "cycle"),
            line("gone", JobKind::Start, "not-found"),
            line("masked", JobKind::Start, "masked"),
            line("only", JobKind::Start, "not-needed"),
            line("up", JobKind::Start, "nothing-to-do"),
        ]
    );
}

#[test]
fn several_units_are_successive_requests() {
    let world = World::new([
        unit("a.service").wants("c.service"),
        unit("b.service").conflicts("c.service"),
        unit("c.service"),
        unit("d.service").requires("none.service"),
    ]);
    let plan = plan(
        &world,
        Verb::Start,
        &["a.service", "b.service", "d.service", "a.service"],
    );
    // The second request stops what the first had started, and the last one starts it again.
    let c = plan.jobs.iter().find(|job| job.unit.stem() == "c").unwrap();
    assert_eq!(
        (c.kind, c.request, c.meets),
        (JobKind::Start, 3, Meets::Replaces(JobKind::Stop))
    );
    assert_eq!(plan.jobs.len(), 3);
    let refusals: Vec<_> = plan.requests.iter().map(|r| r.refusal.clone()).collect();
    let none = Some(Refusal::NotFound("none.service".to_owned()));
    assert_eq!(refusals, [None, None, none, None]);
}

#[test]
fn what_is_queued_already_is_respected() {
    let mut world = World::new([
        unit("slow.service").service(|s| s.service_type = crate::unit::config::ServiceType::Notify),
        unit("next.service").after("slow.service"),
    ]);
    world.start("slow.service").unwrap();
    assert_eq!(
        told(&plan(&world, Verb::Start, &["next.service"])),
        ["2 next start"]
    );
    let again = plan(&world, Verb::Start, &["slow.service"]);
    assert_eq!(again.jobs[0].meets, Meets::Merges(JobKind::Start));
    let stop = plan(&world, Verb::Stop, &["slow.service"]);
    assert_eq!(stop.jobs[0].meets, Meets::Replaces(JobKind::Start));
    assert_eq!(stop.canceled.len(), 1);
    assert!(!stop.jobs[0].idle);
}

/// A graph with a bit of everything; `up` is started first.
fn mixed() -> Vec<UnitBuilder> {
    vec![
        unit("all.target")
            .wants("web.service")
            .wants("api.service")
            .wants("none.service")
            .after("web.service"),
        unit("web.service")
            .requires("db.service")
            .after("db.service"),
        unit("api.service")
            .binds_to("db.service")
            .after("db.service"),
        unit("db.service").wants("log.service").after("log.service"),
        unit("log.service"),
        unit("side.service")
            .dependency(DependencyKind::PartOf, "web.service")
            .after("web.service"),
        unit("rival.service")
            .conflicts("web.service")
            .after("web.service"),
        unit("loop1.service")
            .wants("loop2.service")
            .after("loop2.service"),
        unit("loop2.service").after("loop1.service"),
        unit("reader.service")
            .dependency(DependencyKind::ReloadPropagatedFrom, "db.service")
            .exec(crate::unit::config::CommandKind::Reload, "true"),
    ]
}

#[test]
fn the_plan_is_what_the_request_then_does() {
    let verbs = [
        Verb::Start,
        Verb::Stop,
        Verb::Restart,
        Verb::TryRestart,
        Verb::ReloadOrRestart,
    ];
    let names: Vec<String> = mixed()
        .into_iter()
        .map(|u| u.arc().name.to_string())
        .collect();
    let mut seen = BTreeSet::new();
    for up in [
        &[][..],
        &["all.target"],
        &["side.service", "web.service"],
        &["rival.service"],
    ] {
        for verb in verbs {
            for name in &names {
                let mut world = World::new(mixed());
                up.iter().for_each(|name| world.must(Verb::Start, name));
                let plan = plan(&world, verb, &[name]);
                let mut planned: Vec<(String, JobKind)> = plan
                    .jobs
                    .iter()
                    .map(|j| (j.unit.to_string(), j.kind))
                    .collect();
                world.queued.clear();
                world.take_trace();
                let answer = world.ask(verb, name);
                let refusal = plan.requests[0].refusal.clone();
                assert_eq!(answer.as_ref().err(), refusal.as_ref(), "{verb:?} {name}");
                let starts: Vec<String> = plan
                    .jobs
                    .iter()
                    .filter(|job| !job.idle && job.kind == JobKind::Start)
                    .filter(|job| !job.unit.as_str().ends_with(".target"))
                    .map(|job| format!("{} ExecStart", job.unit.stem()))
                    .collect();
                if starts.len() == planned.len() {
                    let trace = world.take_trace();
                    let began: Vec<_> =
                        trace.into_iter().filter(|t| t.ends_with("Start")).collect();
                    assert_eq!(began, starts, "{verb:?} {name}");
                }
                let mut queued = world.queued.clone();
                queued.sort();
                planned.sort();
                assert_eq!(queued, planned, "{verb:?} {name} with {up:?} up");
                seen.extend(planned.into_iter().map(|(_, kind)| kind));
                assert!(world.results.values().all(|r| *r != JobResult::Timeout));
            }
        }
    }
    let all = [
        JobKind::Start,
        JobKind::Stop,
        JobKind::Restart,
        JobKind::Nop,
    ]
    .into();
    assert!(seen.is_superset(&all), "{seen:?}");
}

#[test]
fn a_reload_says_what_would_change() {
    let mut world = World::new([
        unit("same.service"),
        unit("other.service"),
        unit("gone.service"),
        unit("bad.service"),
        unit("named.service").wants("new.service"),
    ]);
    world.must(Verb::Start, "other.service");
    let read = [
        unit("same.service"),
        unit("other.service").exec(crate::unit::config::CommandKind::Start, "true"),
        unit("gone.service").config(|c| c.load = LoadState::NotFound),
        unit("bad.service").config(|c| c.load = LoadState::BadSetting),
        unit("named.service").wants("new.service"),
        unit("new.service").config(|c| c.fragment = Some("/u/new.service".to_owned())),
    ];
    let read: Vec<Arc<_>> = read.into_iter().map(UnitBuilder::arc).collect();
    let changes = world.engine.plan_reload(&read);
    let told: Vec<(&str, Turned, usize, bool)> = changes
        .iter()
        .map(|c| (c.unit.stem(), c.turned, c.settings.len(), c.up))
        .collect();
    assert_eq!(
        told,
        [
            ("other", Turned::Changed, 1, true),
            ("gone", Turned::Vanished, 0, false),
            ("bad", Turned::Broken, 0, false),
            ("new", Turned::Appeared, 0, false),
        ]
    );
}
