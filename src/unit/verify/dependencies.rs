//! Units that are named and do not exist.
//!
//! Ordering after a unit that is not there is a common way to say "if it is there", and so
//! are Conflicts= and the propagation of reloads and stops: nothing is said of those.

use super::Check;
use super::places::{Place, Places};
use crate::unit::config::{Dependency, DependencyKind, DependencyOrigin, LoadState, UnitConfig};
use crate::unit::diagnostic::{Diagnostic, Rule, Severity};
use crate::unit::load::Settings;
use crate::unit::name::{UnitName, UnitType};
use crate::unit::specifier::{self, SpecifierContext};

/// What is wrong with the dependencies of one unit.
pub(super) fn check(
    check: &Check<'_>,
    unit: &UnitConfig,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let named = unit.dependencies.iter().filter_map(|dependency| {
        let written = match dependency.origin {
            DependencyOrigin::File | DependencyOrigin::Link => true,
            DependencyOrigin::Implicit => dependency.kind == DependencyKind::Triggers,
            DependencyOrigin::Default => false,
        };
        let severity = weight(dependency.kind).filter(|_| written)?;
        missing(check, unit, dependency, severity, places)
    });
    let mut findings: Vec<Diagnostic> = named.collect();
    findings.extend(not_installable(check, unit, places));
    findings
}

/// How bad it is when the other end is missing; nothing if it may be.
fn weight(kind: DependencyKind) -> Option<Severity> {
    match kind {
        DependencyKind::Requires
        | DependencyKind::Requisite
        | DependencyKind::BindsTo
        | DependencyKind::Triggers => Some(Severity::Error),
        DependencyKind::Wants
        | DependencyKind::Upholds
        | DependencyKind::PartOf
        | DependencyKind::OnFailure
        | DependencyKind::OnSuccess => Some(Severity::Warning),
        DependencyKind::Conflicts
        | DependencyKind::Before
        | DependencyKind::After
        | DependencyKind::PropagatesReloadTo
        | DependencyKind::ReloadPropagatedFrom
        | DependencyKind::PropagatesStopTo
        | DependencyKind::StopPropagatedFrom
        | DependencyKind::JoinsNamespaceOf => None,
    }
}

fn missing(
    check: &Check<'_>,
    unit: &UnitConfig,
    dependency: &Dependency,
    severity: Severity,
    places: &mut Places<'_>,
) -> Option<Diagnostic> {
    let target = &dependency.target;
    let other = check.find(target)?;
    let hard = severity == Severity::Error;
    let state = match other.load {
        LoadState::NotFound => "does not exist",
        // Masking is somebody's will; it only matters to who cannot do without.
        LoadState::Masked if hard => "is masked",
        LoadState::Loaded | LoadState::BadSetting | LoadState::Error | LoadState::Masked => {
            return None;
        }
    };
    let row = row_of(unit, dependency.kind);
    let consequence = if hard {
        ", so this unit cannot start"
    } else {
        ""
    };
    let message = format!("{row}=: {target} {state}{consequence}");
    let place = places.of_unit(unit, row, target);
    // Whether there is a mount, device or swap is a fact of the machine.
    let of_machine = matches!(
        target.unit_type(),
        UnitType::Mount | UnitType::Device | UnitType::Swap
    );
    let finding = if hard && !of_machine {
        place.error(Rule::MissingUnit, message)
    } else {
        place.warning(Rule::MissingUnit, message)
    };
    Some(finding.hint(check.similar(target)))
}

/// The directive that states an edge.
fn row_of(unit: &UnitConfig, kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Triggers if unit.name.unit_type() == UnitType::Socket => "Service",
        DependencyKind::Triggers => "Unit",
        stated => stated.directive(),
    }
}

/// The names in WantedBy= and its kin, by directive; what is no name is enable's to refuse.
pub(super) fn install_names(
    unit: &UnitConfig,
    settings: &Settings,
) -> Vec<(&'static str, UnitName)> {
    let context = SpecifierContext {
        unit: &unit.name,
        fragment: unit.fragment.as_deref(),
        system: &settings.system,
    };
    let install = &unit.install;
    let lists = [
        ("WantedBy", &install.wanted_by),
        ("RequiredBy", &install.required_by),
        ("UpheldBy", &install.upheld_by),
        ("Also", &install.also),
    ];
    let names = lists.into_iter().flat_map(|(row, list)| {
        let words = list.iter();
        words.filter_map(move |word| {
            let name = specifier::expand(word, &context).ok()?;
            Some((row, UnitName::parse(&name).ok()?))
        })
    });
    // A template in WantedBy= gets the instance of the unit that is enabled.
    names
        .filter_map(
            |(row, name)| match (name.is_template(), unit.name.instance()) {
                (false, _) => Some((row, name)),
                (true, Some(instance)) => Some((row, name.with_instance(instance).ok()?)),
                (true, None) => None,
            },
        )
        .collect()
}

fn not_installable(
    check: &Check<'_>,
    unit: &UnitConfig,
    places: &mut Places<'_>,
) -> Vec<Diagnostic> {
    let names = install_names(unit, check.settings).into_iter();
    names
        .filter(|(_, name)| !check.installed_to.contains(name))
        .map(|(row, name)| {
            let place: Place = places.of_unit(unit, row, &name);
            let message = match row {
                "Also" => format!("Also=: {name} does not exist and cannot be enabled"),
                _ => format!("{row}=: {name} does not exist, so enabling has no effect"),
            };
            place
                .warning(Rule::MissingUnit, message)
                .hint(check.similar(&name))
        })
        .collect()
}
