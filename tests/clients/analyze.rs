//! systemd-analyze: where the time of the start went, what hangs on what, how well units are
//! kept apart.

use super::{Session, ok, run, there, with};

#[test]
fn systemd_analyze_reads_the_start() {
    if !there(&["systemd-analyze"]) {
        return;
    }
    with(Session::Plain, |daemon| {
        daemon.ok(&["start", "work.service"]);
        let analyze = |arguments: &[&str]| ok("systemd-analyze", arguments);
        let time = analyze(&["time"]);
        assert!(time.contains("Startup finished in"), "{time}");
        let blame = analyze(&["blame"]);
        assert!(blame.contains("once.service"), "{blame}");
        let chain = analyze(&["critical-chain", "work.service"]);
        assert!(
            chain.contains("work.service") && chain.contains("once.service"),
            "{chain}"
        );
        let plot = analyze(&["plot"]);
        assert!(
            plot.contains("<svg") && plot.contains("once.service"),
            "{plot}"
        );
        let dot = run("systemd-analyze", &["dot", "work.service"]);
        let dot = String::from_utf8_lossy(&dot.stdout).into_owned();
        let edge = "\"work.service\"->\"once.service\" [color=\"green\"]";
        assert!(dot.starts_with("digraph") && dot.contains(edge), "{dot}");
        let dump = analyze(&["dump"]);
        assert!(dump.contains("Unit work.service:"), "{dump}");
        let table = analyze(&["security"]);
        assert!(table.contains("work.service"), "{table}");
        let one = analyze(&["security", "work.service"]);
        assert!(
            one.contains("Overall exposure level for work.service"),
            "{one}"
        );
        assert!(one.contains("PrivateNetwork="), "{one}");
        let paths = analyze(&["unit-paths"]);
        assert!(!paths.is_empty());
        assert_eq!(analyze(&["service-watchdogs"]), "yes\n");
        assert_eq!(analyze(&["log-level"]), "info\n");
    });
}
