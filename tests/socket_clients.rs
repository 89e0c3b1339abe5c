//! Programs that were not written for us, behind sockets of ours: with the units that their
//! Debian packages ship or their manuals give, each starts on the first connection and answers
//! it, and goes on answering. In private mounts and a network of their own, so that the ports
//! are theirs.

mod common;

#[path = "socket_clients/clients.rs"]
mod clients;

use clients::{Http, tcp, unix};
use common::daemon::Place;
use common::namespace;
use common::skip::has_program;
use common::{Daemon, Missing, skip, wait_for, wait_until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where Debian's packages put their units.
const DEBIAN: &str = "/lib/systemd/system";

/// Runs `body` where the ports and /run are its own, if this program is there.
fn with(program: &str, body: impl FnOnce() + Send) {
    if Path::new(program).is_file() || has_program(program) {
        namespace::private_network(body);
    } else {
        skip(Missing::Package, &format!("{program} is not installed"));
    }
}

/// A place with these units, unmodified, of those that Debian's packages ship; not with all, or
/// the machine's own default target would be among them and start.
fn debian(units: &[&str]) -> Place {
    let place = Place::new();
    for unit in units {
        let text = fs::read_to_string(Path::new(DEBIAN).join(unit));
        let text = text.unwrap_or_else(|error| panic!("{unit}: {error}"));
        place.write_unit(unit, &text);
    }
    place
}

/// Starts the socket, and sees that the first connection starts the service, is answered, and
/// that the next one is answered by the same process.
#[track_caller]
fn assert_activated(daemon: &Daemon, socket: &str, service: &str, talk: impl Fn()) {
    daemon.ok(&["start", socket]);
    assert_eq!(daemon.state(socket), "active/listening");
    assert_eq!(daemon.state(service), "inactive/dead");
    talk();
    daemon.wait_state(service, "active/running");
    assert_eq!(daemon.state(socket), "active/running");
    let pid = daemon.main_pid(service);
    talk();
    assert_eq!(daemon.main_pid(service), pid, "{}", daemon.log());
    // A stop leaves a socket that is no part of the service; the next connection starts it anew.
    daemon.ok(&["stop", service]);
    if daemon.show(socket, "PartOf") == service {
        daemon.wait_state(socket, "inactive/dead");
        daemon.ok(&["start", socket]);
    }
    daemon.wait_state(socket, "active/listening");
    talk();
    daemon.wait_state(service, "active/running");
    assert_ne!(daemon.main_pid(service), pid);
    daemon.ok(&["stop", socket, service]);
}

/// The output of a program that has to succeed.
#[track_caller]
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{errors}"
    );
    text
}

#[test]
fn cups_answers_on_its_socket() {
    with("/usr/sbin/cupsd", || {
        for directory in ["/var/log", "/var/spool/cups", "/var/cache/cups"] {
            namespace::tmpfs(Path::new(directory)).expect("mounts are private");
        }
        let daemon = debian(&["cups.socket", "cups.service"]).start();
        assert_activated(&daemon, "cups.socket", "cups.service", || {
            let answer = unix("/run/cups/cups.sock").get("/");
            // Its pages are in another package, so that it has none to show.
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
            assert!(answer.contains("\r\nServer: CUPS/"), "{answer}");
        });
        // RemoveOnStop=
        assert!(!Path::new("/run/cups/cups.sock").exists());
    });
}

#[test]
fn sshd_answers_on_its_port() {
    with("/usr/sbin/sshd", || {
        let daemon = debian(&["ssh.socket", "ssh.service"]).start();
        assert_activated(&daemon, "ssh.socket", "ssh.service", || {
            let keys = output("ssh-keyscan", &["-t", "ed25519", "127.0.0.1"]);
            assert!(keys.contains("ssh-ed25519"), "{keys}");
        });
        let keys = Command::new("ssh-keyscan").arg("127.0.0.1").output();
        let keys = keys.expect("it is there").stdout;
        assert!(keys.is_empty(), "nobody listens any more");
    });
}

#[test]
fn sshd_gets_each_connection_in_an_instance_of_its_own() {
    with("/usr/sbin/sshd", || {
        let place = Place::new();
        place.write_unit(
            "sshd.socket",
            "[Socket]\nListenStream=22\nAccept=yes\nMaxConnections=3\n",
        );
        place.write_unit(
            "sshd@.service",
            "[Service]\nExecStart=-/usr/sbin/sshd -i\nStandardInput=socket\n\
             RuntimeDirectory=sshd\nRuntimeDirectoryPreserve=yes\n",
        );
        let daemon = place.start();
        daemon.ok(&["start", "sshd.socket"]);
        let mut open = [tcp(22), tcp(22), tcp(22)];
        for connection in &mut open {
            let banner = connection.line();
            assert!(banner.starts_with("SSH-2.0-OpenSSH"), "{banner}");
        }
        assert_eq!(daemon.show("sshd.socket", "NConnections"), "3");
        assert_eq!(daemon.show("sshd.socket", "NAccepted"), "3");
        let list = daemon.ok(&["list", "sshd@*"]);
        assert_eq!(
            list.matches("-127.0.0.1:22-127.0.0.1:").count(),
            3,
            "{list}"
        );
        assert_eq!(tcp(22).line(), "", "one more is closed at once");
        assert_eq!(daemon.show("sshd.socket", "NRefused"), "1");
        drop(open);
        wait_until("the instances to be gone", || {
            daemon.show("sshd.socket", "NConnections") == "0"
        });
        let banner = tcp(22).line();
        assert!(banner.starts_with("SSH-2.0-OpenSSH"), "{banner}");
    });
}

#[test]
fn rpcbind_answers_on_all_its_sockets() {
    with("/sbin/rpcbind", || {
        fs::create_dir_all("/run/rpcbind").expect("it is ours");
        output("chown", &["_rpc", "/run/rpcbind"]);
        let daemon = debian(&["rpcbind.socket", "rpcbind.service"]).start();
        assert_activated(&daemon, "rpcbind.socket", "rpcbind.service", || {
            for how in ["tcp", "udp"] {
                let answer = output("rpcinfo", &["-T", how, "127.0.0.1", "portmapper", "2"]);
                assert!(answer.contains("ready and waiting"), "{answer}");
            }
            let list = output("rpcinfo", &[]);
            assert!(list.contains("/run/rpcbind.sock"), "{list}");
        });
    });
}

#[test]
fn pcscd_answers_on_its_socket() {
    with("/usr/sbin/pcscd", || {
        let daemon = debian(&["pcscd.socket", "pcscd.service"]).start();
        assert_activated(&daemon, "pcscd.socket", "pcscd.service", || {
            // What its client library asks first: command 0x11 with twelve bytes, version 4.4.
            let words: [u32; 5] = [12, 0x11, 4, 4, 0];
            let question: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let answer = unix("/run/pcscd/pcscd.comm").ask(&question, 12);
            let major = u32::from_ne_bytes([answer[0], answer[1], answer[2], answer[3]]);
            assert_eq!((answer.len(), major), (12, 4), "{answer:?}");
        });
    });
}

#[test]
fn gunicorn_answers_on_its_socket() {
    with("gunicorn", || {
        let place = Place::new();
        let application = "def app(environ, start):\n\
                           \x20   start('200 OK', [('Content-Type', 'text/plain')])\n\
                           \x20   return [b'from gunicorn']\n";
        fs::write(place.file("hello.py"), application).expect("it is ours");
        // As its manual has them, but for the paths.
        place.write_unit(
            "gunicorn.service",
            &format!(
                "[Unit]\nRequires=gunicorn.socket\nAfter=network.target\n\
                 [Service]\nType=notify\nNotifyAccess=main\nUser=nobody\nGroup=nogroup\n\
                 RuntimeDirectory=gunicorn\nWorkingDirectory={}\n\
                 ExecStart=/usr/bin/gunicorn --worker-tmp-dir /dev/shm hello:app\n\
                 ExecReload=/bin/kill -s HUP $MAINPID\nKillMode=mixed\nTimeoutStopSec=5\n",
                place.path().display()
            ),
        );
        place.write_unit(
            "gunicorn.socket",
            "[Socket]\nListenStream=/run/gunicorn.sock\nSocketUser=www-data\nSocketMode=600\n",
        );
        let daemon = place.start();
        assert_activated(&daemon, "gunicorn.socket", "gunicorn.service", || {
            let answer = unix("/run/gunicorn.sock").get("/");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("from gunicorn"), "{answer}");
        });
    });
}

#[test]
fn haproxy_answers_on_a_descriptor_it_inherits() {
    with("/usr/sbin/haproxy", || {
        let place = Place::new();
        let config = "defaults\n mode http\n timeout client 5s\n timeout server 5s\n \
                      timeout connect 5s\nfrontend passed\n bind fd@3\n \
                      http-request return status 200 content-type text/plain string haproxy\n";
        let file = place.file("haproxy.cfg");
        fs::write(&file, config).expect("it is ours");
        place.write_unit(
            "proxy.service",
            &format!(
                "[Service]\nType=notify\nKillMode=mixed\nSuccessExitStatus=143\n\
                 ExecStart=/usr/sbin/haproxy -Ws -f {}\n",
                file.display()
            ),
        );
        place.write_unit("proxy.socket", "[Socket]\nListenStream=127.0.0.1:8080\n");
        let daemon = place.start();
        assert_activated(&daemon, "proxy.socket", "proxy.service", || {
            let answer = tcp(8080).get("/");
            assert!(answer.ends_with("haproxy"), "{answer}");
        });
    });
}

#[test]
fn haproxy_is_restarted_with_an_overlap_and_no_request_is_lost() {
    with("/usr/sbin/haproxy", || {
        let place = Place::new();
        let config = "global\n nbthread 4\n hard-stop-after 10s\ndefaults\n mode http\n timeout client 5s\n \
                      timeout server 5s\n timeout connect 5s\nfrontend passed\n bind fd@3\n \
                      http-request return status 200 content-type text/plain string haproxy\n";
        let file = place.file("haproxy.cfg");
        fs::write(&file, config).expect("it is ours");
        // SIGUSR1 is its soft stop: connections are served to their end.
        place.write_unit(
            "proxy.service",
            &format!(
                "[Unit]\nStartLimitIntervalSec=0\n\
                 [Service]\nType=notify\nKillMode=mixed\nKillSignal=SIGUSR1\n\
                 ExecStart=/usr/sbin/haproxy -Ws -f {}\n",
                file.display()
            ),
        );
        place.write_unit("proxy.socket", "[Socket]\nListenStream=127.0.0.1:8080\n");
        let daemon = place.start();
        daemon.ok(&["start", "proxy.socket", "proxy.service"]);
        let over = std::sync::atomic::AtomicBool::new(false);
        let rounds = 50;
        let ask = || {
            let (mut good, mut bad) = (0, Vec::new());
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                match std::panic::catch_unwind(|| tcp(8080).get("/")) {
                    Ok(answer) if answer.ends_with("haproxy") => good += 1,
                    Ok(answer) => bad.push(answer),
                    Err(_) => bad.push("no connection".to_owned()),
                }
                std::thread::sleep(std::time::Duration::from_millis(4));
            }
            (good, bad)
        };
        let begun = std::time::Instant::now();
        let answers: Vec<(u32, Vec<String>)> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            for _ in 0..rounds {
                let before = daemon.main_pid("proxy.service");
                daemon.ok(&["restart", "--overlap", "proxy.service"]);
                assert_ne!(daemon.main_pid("proxy.service"), before);
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            let joined = clients.into_iter().map(|it| it.join());
            joined.map(|it| it.expect("it only asks")).collect()
        });
        let took = begun.elapsed().as_secs_f64();
        let good: u32 = answers.iter().map(|(good, _)| good).sum();
        let bad: Vec<&String> = answers.iter().flat_map(|(_, bad)| bad).collect();
        let rate = f64::from(good) / took;
        println!(
            "{rounds} restarts, {good} requests ({rate:.0} a second), {} lost",
            bad.len()
        );
        assert!(bad.is_empty(), "{bad:?}");
    });
}

/// A cluster of its own, in private directories; its version.
fn make_cluster() -> String {
    for directory in ["/var/lib/postgresql", "/var/log", "/etc/postgresql"] {
        namespace::tmpfs(Path::new(directory)).expect("mounts are private");
        output("chown", &["postgres:postgres", directory]);
    }
    let versions = fs::read_dir("/usr/lib/postgresql").expect("it is installed");
    let version = versions
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .max()
        .expect("there is a version");
    output("pg_createcluster", &[&version, "behind", "--", "--no-sync"]);
    version
}

#[test]
fn postgresql_answers_behind_the_socket_proxy() {
    let proxy = "/lib/systemd/systemd-socket-proxyd";
    if !Path::new(proxy).is_file() {
        return skip(Missing::Package, &format!("{proxy} is not installed"));
    }
    with("pg_createcluster", move || {
        let database = format!("postgresql@{}-behind.service", make_cluster());
        let place = debian(&["postgresql@.service"]);
        place.write_unit(
            "to-database.socket",
            "[Socket]\nListenStream=/run/front/.s.PGSQL.5432\n",
        );
        // As the manual of the proxy has it. The database knows its users by their processes.
        place.write_unit(
            "to-database.service",
            &format!(
                "[Unit]\nRequires={database} to-database.socket\nAfter={database} to-database.socket\n\
                 [Service]\nUser=postgres\nExecStart={proxy} /run/postgresql/.s.PGSQL.5432\n"
            ),
        );
        let daemon = place.start();
        assert_activated(&daemon, "to-database.socket", "to-database.service", || {
            let query = [
                "-u",
                "postgres",
                "--",
                "psql",
                "-h",
                "/run/front",
                "-Atc",
                "select 6*7",
            ];
            assert_eq!(output("runuser", &query).trim(), "42");
        });
        assert_eq!(daemon.state(&database), "active/running");
        daemon.ok(&["stop", &database]);
        wait_for("the database to be down", || {
            match daemon.state(&database).as_str() {
                "inactive/dead" => Ok(()),
                state => Err(state.to_owned()),
            }
        });
    });
}
