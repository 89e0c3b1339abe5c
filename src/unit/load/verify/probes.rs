//! Probes that cannot be as they are written. The rules are those of a pod's validation in
//! Kubernetes: a probe has exactly one action, and one success is enough for liveness and
//! startup. A unit that breaks them is not started: its owner counts on a probe that it would
//! not have.

use crate::unit::config::{LoadState, ProbeConfig, ProbeKind, ReadyWhen, ServiceType};
use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use crate::unit::directive::{Draft, fail};

/// Looks at all probes of a unit.
pub(super) fn check(draft: &mut Draft) {
    let Some(service) = draft.config.service() else {
        return;
    };
    let mut findings = Vec::new();
    for kind in ProbeKind::ALL {
        let Some(probe) = service.probes.section(kind) else {
            continue;
        };
        let oneshot = service.service_type == ServiceType::Oneshot && !service.remain_after_exit;
        let told = problems(kind, probe, oneshot);
        findings.extend(told.into_iter().map(|(severity, message)| {
            let message = format!("[{}]: {message}", kind.section());
            Diagnostic::new(
                severity,
                Rule::Contradiction,
                probe.position.clone(),
                message,
            )
        }));
    }
    let lacks = draft.config.procmgr.ready_when == ReadyWhen::Probe
        && service.probes.get(ProbeKind::Readiness).is_none();
    if lacks && let Some(position) = draft.set.get("ReadyWhen") {
        findings.push(Diagnostic::new(
            Severity::Warning,
            Rule::Contradiction,
            position.clone(),
            "ReadyWhen=probe has no effect without a probe in [X-ReadinessProbe]",
        ));
    }
    for finding in findings {
        if finding.severity == Severity::Error {
            fail(draft, LoadState::BadSetting, &finding);
        }
        draft.config.diagnostics.push(finding);
    }
}

fn problems(kind: ProbeKind, probe: &ProbeConfig, oneshot: bool) -> Vec<(Severity, &'static str)> {
    let actions = [
        probe.http.is_some(),
        probe.tcp.is_some(),
        probe.exec.is_some(),
    ];
    let count = actions.iter().filter(|there| **there).count();
    let details = probe.method != "GET" || !probe.statuses.is_empty() || !probe.headers.is_empty();
    let many = kind != ProbeKind::Readiness && probe.success_threshold != 1;
    let checks = [
        (
            count == 0,
            Severity::Error,
            "there is none of HTTPGet=, TCPSocket= and Exec=, so there is nothing to probe",
        ),
        (
            count > 1,
            Severity::Error,
            "only one of HTTPGet=, TCPSocket= and Exec= is possible",
        ),
        (
            many,
            Severity::Error,
            "SuccessThreshold= must be 1 but for a readiness probe",
        ),
        (
            details && probe.http.is_none() && count == 1,
            Severity::Warning,
            "HTTPMethod=, HTTPStatus= and HTTPHeader= have no effect without HTTPGet=",
        ),
        (
            oneshot && count == 1,
            Severity::Warning,
            "a service of Type=oneshot is never up without RemainAfterExit=yes, so it is not \
             probed",
        ),
    ];
    let found = checks.into_iter().filter(|(wrong, _, _)| *wrong);
    found
        .map(|(_, severity, message)| (severity, message))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::unit::config::LoadState;
    use crate::unit::load::{MemorySource, Settings, load_closure};
    use crate::unit::name::UnitName;
    use std::collections::BTreeSet;

    /// The load state of a service with this text, and what was found in it.
    fn load(text: &str) -> (LoadState, Vec<String>) {
        let text = format!("[Service]\nExecStart=/bin/a\n{text}");
        let source = MemorySource::new().file("/u/a.service", &text);
        let settings = Settings {
            path: vec!["/u".to_owned()],
            default_dependencies: false,
            ..Settings::default()
        };
        let name = UnitName::parse("a.service").unwrap();
        let units = load_closure(&[name.clone()].into(), &BTreeSet::new(), &settings, &source);
        let unit = &units[&name];
        let findings = unit.diagnostics.iter().map(ToString::to_string);
        (unit.load, findings.collect())
    }

    #[test]
    fn what_kubernetes_refuses_does_not_start() {
        for (text, why) in [
            ("[X-LivenessProbe]\nPeriodSec=5\n", "nothing to probe"),
            ("[X-LivenessProbe]\nHTTPGet=nonsense\n", "nothing to probe"),
            (
                "[X-ReadinessProbe]\nTCPSocket=1\nExec=/bin/a\n",
                "only one of",
            ),
            (
                "[X-LivenessProbe]\nTCPSocket=1\nSuccessThreshold=2\n",
                "must be 1",
            ),
            (
                "[X-StartupProbe]\nTCPSocket=1\nSuccessThreshold=2\n",
                "must be 1",
            ),
        ] {
            let (state, findings) = load(text);
            assert_eq!(state, LoadState::BadSetting, "{text}");
            let last = findings.last().unwrap();
            assert!(
                last.contains(why) && last.contains("/u/a.service:4:1"),
                "{last}"
            );
        }
        let fine = "[X-ReadinessProbe]\nTCPSocket=1\nSuccessThreshold=2\n";
        assert_eq!(load(fine), (LoadState::Loaded, Vec::new()));
    }

    #[test]
    fn what_has_no_effect_is_told() {
        for (text, why) in [
            (
                "[X-LivenessProbe]\nTCPSocket=1\nHTTPMethod=HEAD\n",
                "no effect without HTTPGet=",
            ),
            (
                "[X-Procmgr]\nReadyWhen=probe\n",
                "no effect without a probe",
            ),
            (
                "Type=oneshot\n[X-LivenessProbe]\nTCPSocket=1\n",
                "so it is not probed",
            ),
        ] {
            let (state, findings) = load(text);
            assert_eq!(state, LoadState::Loaded, "{text}");
            assert_eq!(findings.len(), 1, "{findings:?}");
            assert!(findings[0].contains(why), "{findings:?}");
        }
    }
}
