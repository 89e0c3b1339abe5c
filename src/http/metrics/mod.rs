//! `/metrics`: a page of what a [`Picture`] shows, in Prometheus's text format or OpenMetrics.
//!
//! Names and units follow Prometheus's conventions: seconds, bytes, `_total` behind what only
//! grows. Everything is read when it is asked for, so there are no series of units that have
//! gone.

mod daemon;
mod node;
mod unit;

use super::negotiate::Form;
use super::picture::Picture;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// Labels: names and values.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The page.
///
/// # Errors
/// Never: the page is written to memory.
pub(super) fn encode(picture: Picture, form: Form, node: bool) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page { picture, node }));
    let mut page = String::new();
    match form {
        Form::Prometheus => prometheus_text::encode(&mut page, &registry)?,
        Form::OpenMetrics => text::encode(&mut page, &registry)?,
    }
    Ok(page)
}

#[derive(Debug)]
struct Page {
    picture: Picture,
    node: bool,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        daemon::write(&self.picture, &mut families)?;
        unit::write(&self.picture, &mut families)?;
        if self.node {
            node::write(&self.picture, &mut families)?;
        }
        Ok(())
    }
}

/// Writes families of metrics, one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    /// A family of gauges; nothing if it has no member.
    fn gauges<'l, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        members: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> fmt::Result {
        let mut members = members.into_iter().peekable();
        if members.peek().is_none() {
            return Ok(());
        }
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in members {
            match labels.is_empty() {
                true => family.encode_gauge(&value)?,
                false => family.encode_family(&labels)?.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    /// A family of counters, whose names get `_total` behind them; nothing if it has no member.
    fn counters<'l, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        members: impl IntoIterator<Item = (Labels<'l>, V)>,
    ) -> fmt::Result {
        let mut members = members.into_iter().peekable();
        if members.peek().is_none() {
            return Ok(());
        }
        let kind = MetricType::Counter;
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        let none: Option<&Exemplar<NoLabelSet, f64>> = None;
        for (labels, value) in members {
            match labels.is_empty() {
                true => family.encode_counter(&value, none)?,
                false => family
                    .encode_family(&labels)?
                    .encode_counter(&value, none)?,
            }
        }
        Ok(())
    }
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
