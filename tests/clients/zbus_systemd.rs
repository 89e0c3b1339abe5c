//! A session of the crate zbus_systemd: proxies that were generated from systemd's own data.

use super::{Session, with};
use futures_util::{Stream, StreamExt};
use std::fmt::Debug;
use std::path::Path;
use zbus_systemd::systemd1::{ManagerProxy, ServiceProxy, UnitProxy};
use zbus_systemd::zbus;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The next of these that fits.
async fn next<T: Debug>(
    stream: &mut (impl Stream<Item = T> + Unpin),
    fits: impl Fn(&T) -> bool,
) -> T {
    let search = async {
        loop {
            let item = stream.next().await.expect("the connection is open");
            if fits(&item) {
                return item;
            }
        }
    };
    let found = tokio::time::timeout(super::common::DEADLINE, search).await;
    found.expect("what was waited for comes")
}

async fn session(socket: &Path) -> Outcome {
    let address = format!("unix:path={}", socket.display());
    let bus = zbus::connection::Builder::address(address.as_str())
        .build()
        .await?;
    let manager = ManagerProxy::new(&bus).await?;
    manager.subscribe().await?;
    let mut removed = manager.receive_job_removed().await?;
    let units = manager.list_units().await?;
    assert!(units.iter().any(|unit| unit.0 == "keep.target"));

    let path = manager.load_unit("work.service".to_owned()).await?;
    let unit = UnitProxy::new(&bus, path.clone()).await?;
    let service = ServiceProxy::new(&bus, path).await?;
    let mut states = unit.receive_active_state_changed().await;
    let job = manager
        .start_unit("work.service".to_owned(), "replace".to_owned())
        .await?;
    let mut end = async |job: zbus::OwnedObjectPath| {
        let signal = next(&mut removed, |signal| {
            signal.args().is_ok_and(|args| args.job == job)
        })
        .await;
        signal
            .args()
            .expect("it has just been read")
            .result
            .to_owned()
    };
    assert_eq!(end(job).await, "done");
    loop {
        let change = states.next().await.expect("the connection is open");
        if change.get().await? == "active" {
            break;
        }
    }
    assert_eq!(unit.active_state().await?, "active");
    assert_eq!(service.type_property().await?, "simple");
    let first = service.main_pid().await?;
    assert_ne!(first, 0);
    let job = unit.restart("replace".to_owned()).await?;
    assert_eq!(end(job).await, "done");
    let job = manager
        .start_unit("fails.service".to_owned(), "replace".to_owned())
        .await?;
    assert_eq!(end(job).await, "failed");
    let job = manager
        .stop_unit("work.service".to_owned(), "replace".to_owned())
        .await?;
    assert_eq!(end(job).await, "done");
    let refused = manager
        .start_unit("none.service".to_owned(), "replace".to_owned())
        .await
        .expect_err("it is not there");
    assert!(refused.to_string().contains("NoSuchUnit"), "{refused}");
    Ok(())
}

#[test]
fn the_crate_zbus_systemd() {
    with(Session::Plain, |daemon| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let outcome = runtime.block_on(session(daemon.place().socket()));
        outcome.unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    });
}
