//! A service that has done nothing yet takes no memory: most of a host's thousands are like that.

use super::Service;
use crate::unit::config::UnitConfig;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

/// A [`Service`], used like one; none is there until it is changed for the first time.
#[derive(Debug, Clone, Default)]
pub struct Rested(Option<Box<Service>>);

impl Rested {
    /// Whether it has done nothing yet.
    pub fn is_rested(&self) -> bool {
        self.0.is_none()
    }

    /// As [`Service::config_changed`], which is nothing to one that has done nothing.
    pub fn config_changed(&mut self, config: &UnitConfig) {
        if let Some(service) = &mut self.0 {
            service.config_changed(config);
        }
    }
}

/// One that is as new is written down like one that is new: whoever goes on from there need not have
/// touched it as often.
impl Serialize for Rested {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let changed = self.0.as_deref().filter(|service| *service != fresh());
        changed.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rested, D::Error> {
        let service = Option::<Box<Service>>::deserialize(deserializer)?;
        Ok(Rested(service.filter(|service| **service != *fresh())))
    }
}

fn fresh() -> &'static Service {
    static FRESH: LazyLock<Service> = LazyLock::new(Service::default);
    &FRESH
}

impl Deref for Rested {
    type Target = Service;

    fn deref(&self) -> &Service {
        self.0.as_deref().unwrap_or_else(|| fresh())
    }
}

impl DerefMut for Rested {
    fn deref_mut(&mut self) -> &mut Service {
        self.0.get_or_insert_with(|| Box::new(Service::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_once_it_is_changed() {
        let mut service = Rested::default();
        assert!(service.restarts == 0 && service.is_rested());
        service.config_changed(&UnitConfig::not_found(
            crate::unit::name::UnitName::parse("a.service").unwrap(),
        ));
        assert_eq!(serde_json::to_string(&service).unwrap(), "null");
        service.restarts = 0;
        assert!(!service.is_rested());
        assert_eq!(serde_json::to_string(&service).unwrap(), "null");
        service.restarts = 3;
        let text = serde_json::to_string(&service).unwrap();
        let again: Rested = serde_json::from_str(&text).unwrap();
        assert!(again.0.is_some() && again.restarts == 3);
    }
}
