//! `mmi2x2`: a 2x2 multimode interference coupler.

use super::mmi1x2::gaussian;
use super::two_by_two::set;
use crate::setting::{ANY, PART, POSITIVE, WL0};
use crate::{Component, Cx, Dual, Passivity, Ports, Real, Scatter, Setting, Sink, Unit};

/// A 2x2 coupler with loss, imbalance and a Gaussian spectrum.
pub static MMI2X2: Component = Component {
    name: "mmi2x2",
    settings: &[
        WL0,
        Setting::new("fwhm", 0.2, Unit::Um, POSITIVE, "full width of the field at half its maximum"),
        Setting::new("loss_dB", 0.3, Unit::Db, ANY, "loss of power at the peak; its sign does not matter"),
        Setting::new("shift", 0.0, Unit::Um, ANY, "shift of the peak of the cross paths"),
        Setting::new("loss_dB_cross", 0.0, Unit::Db, ANY, "loss at the peak of the cross paths; 0: loss_dB"),
        Setting::new("loss_dB_thru", 0.0, Unit::Db, ANY, "loss at the peak of the thru paths; 0: loss_dB"),
        Setting::new("splitting_ratio_cross", 0.5, Unit::One, PART, "part of the power that takes the cross path"),
        Setting::new("splitting_ratio_thru", 0.5, Unit::One, PART, "part of the power that takes the thru path"),
    ],
    ports: Ports::Fixed { inputs: 2, outputs: 2 },
    passivity: Passivity::Gain("where splitting_ratio_cross + splitting_ratio_thru is above 1"),
    summary: "A 2x2 coupler with loss, imbalance and a Gaussian spectrum",
    equations: "S(in0 -> out1) = S(in1 -> out0) = A(wl0, loss_dB_thru) sqrt(splitting_ratio_thru)\n\
             S(in0 -> out0) = S(in1 -> out1) = i A(wl0 + shift, loss_dB_cross) sqrt(splitting_ratio_cross)\n\
             A(w, loss) = 10^(-|loss| / 20) exp(-(1/wl - 1/w)^2 / (2 s^2))\n\
             s = (1/(w - fwhm/2) - 1/(w + fwhm/2)) / (2 sqrt(2 ln 2))",
    notes: "Mind the ports: `thru` joins the ports that lie diagonally (o1 and o3), as in SAX, other than in \
            mmi2x2_ideal. loss_dB_cross, loss_dB_thru: loss_dB where they are 0. SAX divides A by its \
            largest value over the wavelengths of the sweep, so that its numbers depend on the sweep (a \
            single wavelength sees no dispersion at all); here A is as written, which SAX gives for a sweep \
            through the peak.",
    source: "SAX, sax.models.mmi2x2",
    dispersive: true,
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[wl0, fwhm, loss, shift, loss_cross, loss_thru, ratio_cross, ratio_thru] = at.settings else {
        unreachable!("as many settings as are described")
    };
    let or_loss = |own: T| if own.value() == 0.0 { loss } else { own };
    let thru = Cx::real(gaussian(at.wl_um, wl0, fwhm, or_loss(loss_thru)) * ratio_thru.sqrt());
    let cross = Cx::imag(gaussian(at.wl_um, wl0 + shift, fwhm, or_loss(loss_cross)) * ratio_cross.sqrt());
    set(s, [[cross, thru], [thru, cross]], T::of(1.0));
}
