//! Parts of a configuration that most units leave as they are: those take no memory for them.

use super::{
    Credentials, ExecConfig, Filters, InstallSection, Isolation, Logging, Probes, ResourceConfig,
    Scheduling, Terminal,
};
use std::fmt::{self, Debug, Formatter};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, LazyLock};

/// A value that is its default for most; used like the value itself. Copies share it until one of
/// them is changed.
#[derive(Clone, Default)]
pub struct Cold<T>(Option<Arc<T>>);

/// A type with a default value that all share.
pub trait Common: Clone + Default + PartialEq + 'static {
    /// That value.
    fn common() -> &'static Self;
}

impl<T: Common> Cold<T> {
    /// Shares the value of another one, if they are the same; if not, that is this one from now on.
    pub fn share(&mut self, last: &mut Cold<T>) {
        if **self == *T::common() {
            self.0 = None;
        } else if self == last {
            self.0.clone_from(&last.0);
        } else {
            last.0.clone_from(&self.0);
        }
    }

    /// Whether it is as for most.
    pub fn is_common(&self) -> bool {
        let own = self.0.as_deref();
        own.is_none_or(|own| *own == *T::common())
    }

    /// Whether the two share their value: they are equal then, and it takes no comparison.
    pub fn is_same(&self, other: &Cold<T>) -> bool {
        std::ptr::eq(&**self, &**other)
    }
}

impl<T: Common> Deref for Cold<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::common())
    }
}

impl<T: Common> DerefMut for Cold<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl<T: Common> From<T> for Cold<T> {
    fn from(value: T) -> Cold<T> {
        Cold((value != *T::common()).then(|| Arc::new(value)))
    }
}

impl<T: Common> PartialEq for Cold<T> {
    fn eq(&self, other: &Cold<T>) -> bool {
        **self == **other
    }
}

impl<T: Common + Eq> Eq for Cold<T> {}

impl<T: Common + Debug> Debug for Cold<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&**self, f)
    }
}

impl Common for Credentials {
    fn common() -> &'static Credentials {
        static COMMON: LazyLock<Credentials> = LazyLock::new(Credentials::default);
        &COMMON
    }
}

impl Common for ExecConfig {
    fn common() -> &'static ExecConfig {
        static COMMON: LazyLock<ExecConfig> = LazyLock::new(ExecConfig::default);
        &COMMON
    }
}

impl Common for Filters {
    fn common() -> &'static Filters {
        static COMMON: LazyLock<Filters> = LazyLock::new(Filters::default);
        &COMMON
    }
}

impl Common for InstallSection {
    fn common() -> &'static InstallSection {
        static COMMON: LazyLock<InstallSection> = LazyLock::new(InstallSection::default);
        &COMMON
    }
}

impl Common for Isolation {
    fn common() -> &'static Isolation {
        static COMMON: LazyLock<Isolation> = LazyLock::new(Isolation::default);
        &COMMON
    }
}

impl Common for Logging {
    fn common() -> &'static Logging {
        static COMMON: LazyLock<Logging> = LazyLock::new(Logging::default);
        &COMMON
    }
}

impl Common for Probes {
    fn common() -> &'static Probes {
        static COMMON: LazyLock<Probes> = LazyLock::new(Probes::default);
        &COMMON
    }
}

impl Common for ResourceConfig {
    fn common() -> &'static ResourceConfig {
        static COMMON: LazyLock<ResourceConfig> = LazyLock::new(ResourceConfig::default);
        &COMMON
    }
}

impl Common for Scheduling {
    fn common() -> &'static Scheduling {
        static COMMON: LazyLock<Scheduling> = LazyLock::new(Scheduling::default);
        &COMMON
    }
}

impl Common for Terminal {
    fn common() -> &'static Terminal {
        static COMMON: LazyLock<Terminal> = LazyLock::new(Terminal::default);
        &COMMON
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_always_takes_no_memory() {
        let mut kept: Cold<Logging> = Logging::default().into();
        assert!(kept.0.is_none());
        let before = kept.clone();
        kept.level = 3;
        assert!(before.is_common() && !kept.is_common());
        assert_eq!((before.level, kept.level), (Logging::default().level, 3));
        assert_ne!(before, kept);
        kept.level = before.level;
        assert_eq!(before, kept);
        assert!(kept.is_common());
    }

    #[test]
    fn what_is_alike_is_there_once() {
        let three = || {
            Cold::from(Logging {
                level: 3,
                ..Logging::default()
            })
        };
        let mut last = Cold::default();
        let (mut one, mut other) = (three(), three());
        one.share(&mut last);
        other.share(&mut last);
        let places = [&one, &other].map(|kept| kept.0.as_ref().map(Arc::as_ptr));
        assert_eq!(places[0], places[1]);
        one.level = 4;
        assert_eq!((one.level, other.level), (4, 3));
        other.level = Logging::default().level;
        other.share(&mut last);
        assert!(other.0.is_none() && last.level == 3);
    }
}
