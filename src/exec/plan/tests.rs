//! What comes into a plan, and what is refused before there is a process.

use super::*;
use crate::exec::tests::command;
use crate::unit::config::{InputSource, OutputTarget, ServiceConfig};
use std::os::fd::AsFd;

fn input<'a>(service: &'a ServiceConfig, command: &'a Command) -> PlanInput<'a> {
    PlanInput {
        exec: &service.exec,
        command,
        identity: Ok(None),
        environment: &[],
        inherited: Inherited::default(),
        mounts: None,
        no_credentials: None,
        entered: Entered::default(),
        not_applied: &[],
        no_directory: None,
        joins: Vec::new(),
        no_access: Vec::new(),
        stdout_pipe: None,
        stderr_pipe: None,
        passed: vec![],
        names: Vec::new(),
        listened: 0,
        socket: None,
        streams: [None; 3],
        input_data: None,
        labels: Vec::new(),
        processors: Ok(Vec::new()),
    }
}

fn with(change: impl FnOnce(&mut ExecConfig)) -> ServiceConfig {
    let mut service = ServiceConfig::default();
    change(&mut service.exec);
    service
}

fn plan_of(service: &ServiceConfig) -> Result<Vec<u8>, PlanError> {
    let command = command(&["/bin/true"]);
    let plan = plan(&input(service, &command))?;
    let steps = plan.program().steps.iter();
    Ok(steps.map(|step| step.exit_status).collect())
}

#[test]
fn steps_are_in_systemds_order() {
    let service = with(|exec| {
        exec.nice = Some(1);
        exec.oom_score_adjust = Some(1);
        exec.no_new_privileges = true;
        exec.ambient_capabilities.0 = 1;
        exec.capability_bounding_set = Some(exec.ambient_capabilities);
        let limit = crate::unit::value::Limit { soft: 1, hard: 1 };
        exec.limits
            .insert(crate::unit::value::LimitKind::Core, limit);
    });
    let command = command(&["/bin/true"]);
    let identity = Identity {
        uid: 1,
        gid: 1,
        groups: vec![1],
        user: Some(crate::exec::identity::UserEntry {
            name: "x".into(),
            home: String::new(),
            shell: String::new(),
        }),
    };
    let mut input = input(&service, &command);
    input.identity = Ok(Some(&identity));
    input.no_directory = Some((233, "no".into()));
    let plan = plan(&input).unwrap();
    let statuses: Vec<u8> = plan.program().steps.iter().map(|s| s.exit_status).collect();
    let expected = [
        220, 255, 208, 209, 222, 202, 206, 201, 233, 255, 237, 205, 205, 216, 216, 218, 218, 217,
        218, 200, 207, 227,
    ];
    assert_eq!(statuses, expected);
}

#[test]
fn the_command_line_is_expanded_with_the_final_environment() {
    let mut command = command(&["/bin/true", "${A}", "$A", "$B", "x${B}"]);
    let service = ServiceConfig::default();
    let environment = [("A".into(), "1 2".into())];
    let words = |command: &Command| {
        let mut input = input(&service, command);
        input.environment = &environment;
        let plan = plan(&input).unwrap();
        let words = plan.program().image.arguments.iter();
        let words: Vec<String> = words.map(|w| w.to_str().unwrap().to_owned()).collect();
        (words, plan.unset_variables().to_vec())
    };
    let as_written = command.argv.clone();
    assert_eq!(words(&command), (as_written, vec![]), "with the prefix `:`");
    command.no_expand = false;
    let expanded = ["/bin/true", "1 2", "1", "2", "x"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(words(&command), (expanded, vec!["B".to_owned()]));
}

#[test]
fn what_is_not_carried_out_is_refused() {
    let refused = |service: &ServiceConfig| plan_of(service).unwrap_err().to_string();
    let name = || "x".to_owned();
    let input = with(|exec| exec.standard_input = InputSource::Descriptor(name()));
    assert!(refused(&input).starts_with("StandardInput=fd:x "));
    let output = with(|exec| exec.standard_output = OutputTarget::Descriptor(name()));
    assert!(refused(&output).starts_with("StandardOutput=fd:x "));
    let error = with(|exec| exec.standard_error = OutputTarget::Descriptor(name()));
    assert!(refused(&error).starts_with("StandardError=fd:x "));
}

#[test]
fn a_security_setting_that_is_not_applied_refuses_and_another_does_not() {
    let not_applied = |directive, refuses_start| NotApplied {
        directive,
        value: "yes".into(),
        reason: "not yet",
        refuses_start,
    };
    let (service, command) = (ServiceConfig::default(), command(&["/bin/true"]));
    let list = [
        not_applied("CPUAccounting", false),
        not_applied("PrivateTmp", true),
    ];
    let mut input = input(&service, &command);
    input.not_applied = &list[..1];
    assert!(plan(&input).is_ok());
    input.not_applied = &list;
    let error = plan(&input).unwrap_err();
    assert_eq!(error, PlanError::Unsupported("PrivateTmp=yes".into()));
}

#[test]
fn a_nul_byte_is_refused() {
    let path = with(|exec| exec.standard_output = OutputTarget::File("/a\0b".into()));
    let error = plan_of(&path).unwrap_err();
    assert_eq!(error.to_string(), "/a\\0b holds a NUL byte");
    let command = command(&["/bin/true", "a\0"]);
    let service = ServiceConfig::default();
    assert!(plan(&input(&service, &command)).is_err());
}

#[test]
fn an_unknown_user_becomes_a_process_that_fails() {
    let (service, command) = (ServiceConfig::default(), command(&["/bin/true"]));
    let mut input = input(&service, &command);
    input.identity = Err(IdentityError::User("x".into()));
    let plan = plan(&input).unwrap();
    let last = plan.program().steps.last().unwrap();
    assert_eq!(last.exit_status, 217);
    assert!(last.operation.to_string().contains("User= names x"));
}

#[test]
fn copies_keep_clear_of_sources_and_targets() {
    let (service, command) = (ServiceConfig::default(), command(&["/bin/true"]));
    let mut input = input(&service, &command);
    let descriptors: Vec<_> = (0..8).map(|_| std::io::pipe().unwrap()).collect();
    input.passed = descriptors
        .iter()
        .map(|(reader, _)| reader.as_fd())
        .collect();
    input.stdout_pipe = Some(descriptors[0].1.as_fd());
    let plan = plan(&input).unwrap();
    let (mut taken, mut copies, mut targets) = (vec![], vec![], vec![]);
    for step in &plan.program().steps {
        match &step.operation {
            Operation::Stash { from, onto } => {
                use std::os::fd::AsRawFd;
                taken.push(from.as_raw_fd());
                copies.push(*onto);
            }
            Operation::Pass { onto, .. } => targets.push(*onto),
            _ => {}
        }
    }
    assert_eq!(copies.len(), 9);
    assert_eq!(targets[2..], [3, 4, 5, 6, 7, 8, 9, 10]);
    let lowest = copies.iter().min().unwrap();
    assert!(taken.iter().chain(&targets).all(|number| number < lowest));
}
