//! `mmi1x2`: a 1x2 multimode interference splitter.

use crate::setting::{ANY, POSITIVE, WL0};
use crate::{Component, Cx, Dual, Ports, Real, Scatter, Setting, Sink, Unit};
use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

/// A 1x2 splitter in halves with loss and a Gaussian spectrum.
pub static MMI1X2: Component = Component {
    name: "mmi1x2",
    settings: &[
        WL0,
        Setting::new("fwhm", 0.2, Unit::Um, POSITIVE, "full width of the field at half its maximum"),
        Setting::new("loss_dB", 0.3, Unit::Db, ANY, "loss of power at the peak; its sign does not matter"),
    ],
    ports: Ports::Fixed { inputs: 1, outputs: 2 },
    summary: "A 1x2 splitter in halves with loss and a Gaussian spectrum",
    equations: "S(in0 -> out0) = S(in0 -> out1) = A(wl0, loss_dB) / sqrt 2\n\
             A(w, loss) = 10^(-|loss| / 20) exp(-(1/wl - 1/w)^2 / (2 s^2))\n\
             s = (1/(w - fwhm/2) - 1/(w + fwhm/2)) / (2 sqrt(2 ln 2))",
    notes: "SAX divides A by its largest value over the wavelengths of the sweep, so that its numbers depend \
            on the sweep (a single wavelength sees no dispersion at all); here A is as written, which SAX \
            gives for a sweep through the peak.",
    source: "SAX, sax.models.mmi1x2",
    dispersive: true,
    ..Component::of(scatter::<f64>, scatter::<Dual>)
};

fn scatter<T: Real>(at: &Scatter<T>, s: &mut dyn Sink<T>) {
    let &[wl0, fwhm, loss] = at.settings else { unreachable!("as many settings as are described") };
    let half = Cx::real(gaussian(at.wl_um, wl0, fwhm, loss) * T::of(FRAC_1_SQRT_2));
    s.both(0, 1, half);
    s.both(0, 2, half);
}

/// Amplitude at a wavelength for a peak at `wl0`, Gaussian in the frequency.
pub(super) fn gaussian<T: Real>(wl_um: f64, wl0: T, fwhm: T, loss_db: T) -> T {
    let (one, half) = (T::of(1.0), T::of(0.5) * fwhm);
    let sigma = (one / (wl0 - half) - one / (wl0 + half)) / T::of(2.0 * (2.0 * LN_2).sqrt());
    let off = (T::of(1.0 / wl_um) - one / wl0) / sigma;
    let loss = if loss_db.value() < 0.0 { -loss_db } else { loss_db };
    loss.loss_db() * (T::of(-0.5) * off * off).exp()
}
