//! All components, one file each.

mod attenuator;
mod bend;
mod circulator;
mod copier;
mod coupler;
mod coupler_ideal;
mod crossing;
mod crossing_ideal;
mod eam;
mod facet;
mod gain;
mod grating_coupler;
mod ideal_probe;
mod isolator;
mod lossy_coupler;
mod mirror;
mod mmi;
mod mmi1x2;
mod mmi1x2_ideal;
mod mmi2x2;
mod mmi2x2_ideal;
mod mzi;
mod mzi3;
mod mzm;
mod passthru;
mod pcm_cell;
mod phase;
mod phase_modulator;
mod phase_shifter;
mod reflector;
pub(crate) mod ring_adddrop;
pub(crate) mod ring_allpass;
mod splitter;
mod splitter_ideal;
mod straight;
mod terminator;
mod two_by_two;
mod unitary;
mod waveguide;
mod ybranch;

use crate::Component;

/// All components, by name.
pub fn catalogue() -> &'static [&'static Component] {
    static ALL: [&Component; 38] = [
        &attenuator::ATTENUATOR,
        &bend::BEND,
        &circulator::CIRCULATOR,
        &copier::COPIER,
        &coupler::COUPLER,
        &coupler_ideal::COUPLER_IDEAL,
        &crossing::CROSSING,
        &crossing_ideal::CROSSING_IDEAL,
        &eam::EAM,
        &facet::FACET,
        &gain::GAIN,
        &grating_coupler::GRATING_COUPLER,
        &ideal_probe::IDEAL_PROBE,
        &isolator::ISOLATOR,
        &lossy_coupler::LOSSY_COUPLER,
        &mirror::MIRROR,
        &mmi::MMI,
        &mmi1x2::MMI1X2,
        &mmi1x2_ideal::MMI1X2_IDEAL,
        &mmi2x2::MMI2X2,
        &mmi2x2_ideal::MMI2X2_IDEAL,
        &mzi::MZI,
        &mzi3::MZI3,
        &mzm::MZM,
        &passthru::PASSTHRU,
        &pcm_cell::PCM_CELL,
        &phase::PHASE,
        &phase_modulator::PHASE_MODULATOR,
        &phase_shifter::PHASE_SHIFTER,
        &reflector::REFLECTOR,
        &ring_adddrop::RING_ADDDROP,
        &ring_allpass::RING_ALLPASS,
        &splitter::SPLITTER,
        &splitter_ideal::SPLITTER_IDEAL,
        &straight::STRAIGHT,
        &terminator::TERMINATOR,
        &unitary::UNITARY,
        &ybranch::YBRANCH,
    ];
    &ALL
}

/// The component of a name (or of one of its other names).
pub fn find(name: &str) -> Option<&'static Component> {
    catalogue().iter().copied().find(|c| c.name == name || c.aliases.contains(&name))
}
