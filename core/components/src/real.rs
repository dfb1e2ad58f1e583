//! Numbers that equations are written in: plain ones, and ones that carry a derivative.

use std::f64::consts::LN_10;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number.
pub trait Real:
    Copy
    + std::fmt::Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// A constant.
    fn of(value: f64) -> Self;
    /// The number without its derivative.
    fn value(self) -> f64;
    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
    /// Exponential.
    fn exp(self) -> Self;
    /// exp(x) - 1, exact to rounding near 0.
    fn exp_m1(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root; its derivative at 0 is taken as 0.
    fn sqrt(self) -> Self;

    /// 10^(-x/20): the amplitude that a loss of x dB of power leaves. A loss of infinitely many dB leaves 0, with
    /// derivative 0.
    fn loss_db(self) -> Self {
        if self.value() == f64::INFINITY { Self::of(0.0) } else { (self * Self::of(-LN_10 / 20.0)).exp() }
    }

    /// 1 - 10^(-x/20), exact to rounding for small losses.
    fn loss_db_complement(self) -> Self {
        if self.value() == f64::INFINITY { Self::of(1.0) } else { -(self * Self::of(-LN_10 / 20.0)).exp_m1() }
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn value(self) -> f64 {
        self
    }
    fn sin_cos(self) -> (Self, Self) {
        f64::sin_cos(self)
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

/// A number v with the derivative d of one variable: v + d e, e^2 = 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual {
    /// Value.
    pub v: f64,
    /// Derivative.
    pub d: f64,
}

impl Add for Dual {
    type Output = Dual;
    fn add(self, o: Dual) -> Dual {
        Dual { v: self.v + o.v, d: self.d + o.d }
    }
}
impl Sub for Dual {
    type Output = Dual;
    fn sub(self, o: Dual) -> Dual {
        Dual { v: self.v - o.v, d: self.d - o.d }
    }
}
impl Mul for Dual {
    type Output = Dual;
    fn mul(self, o: Dual) -> Dual {
        Dual { v: self.v * o.v, d: self.d * o.v + self.v * o.d }
    }
}
impl Div for Dual {
    type Output = Dual;
    fn div(self, o: Dual) -> Dual {
        let v = self.v / o.v;
        Dual { v, d: (self.d - v * o.d) / o.v }
    }
}
impl Neg for Dual {
    type Output = Dual;
    fn neg(self) -> Dual {
        Dual { v: -self.v, d: -self.d }
    }
}

impl Real for Dual {
    fn of(value: f64) -> Self {
        Dual { v: value, d: 0.0 }
    }
    fn value(self) -> f64 {
        self.v
    }
    fn sin_cos(self) -> (Self, Self) {
        let (s, c) = self.v.sin_cos();
        (Dual { v: s, d: c * self.d }, Dual { v: c, d: -s * self.d })
    }
    fn exp(self) -> Self {
        let v = self.v.exp();
        Dual { v, d: v * self.d }
    }
    fn exp_m1(self) -> Self {
        Dual { v: self.v.exp_m1(), d: self.v.exp() * self.d }
    }
    fn ln(self) -> Self {
        Dual { v: self.v.ln(), d: self.d / self.v }
    }
    fn sqrt(self) -> Self {
        let v = self.v.sqrt();
        Dual { v, d: if v == 0.0 { 0.0 } else { 0.5 * self.d / v } }
    }
}

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cx<T> {
    /// Real part.
    pub re: T,
    /// Imaginary part.
    pub im: T,
}

impl<T: Real> Cx<T> {
    /// A real number.
    pub fn real(re: T) -> Self {
        Cx { re, im: T::of(0.0) }
    }

    /// i times a real number.
    pub fn imag(im: T) -> Self {
        Cx { re: T::of(0.0), im }
    }

    /// e^{i phase}.
    pub fn cis(phase: T) -> Self {
        let (im, re) = phase.sin_cos();
        Cx { re, im }
    }

    /// Times a real number.
    pub fn scale(self, factor: T) -> Self {
        Cx { re: self.re * factor, im: self.im * factor }
    }

    /// Complex conjugate.
    pub fn conj(self) -> Self {
        Cx { re: self.re, im: -self.im }
    }

    /// Square of the magnitude.
    pub fn norm_sqr(self) -> T {
        self.re * self.re + self.im * self.im
    }
}

impl<T: Real> Add for Cx<T> {
    type Output = Cx<T>;
    fn add(self, o: Cx<T>) -> Cx<T> {
        Cx { re: self.re + o.re, im: self.im + o.im }
    }
}
impl<T: Real> Mul for Cx<T> {
    type Output = Cx<T>;
    fn mul(self, o: Cx<T>) -> Cx<T> {
        Cx { re: self.re * o.re - self.im * o.im, im: self.re * o.im + self.im * o.re }
    }
}
impl<T: Real> Sub for Cx<T> {
    type Output = Cx<T>;
    fn sub(self, o: Cx<T>) -> Cx<T> {
        Cx { re: self.re - o.re, im: self.im - o.im }
    }
}
impl<T: Real> Neg for Cx<T> {
    type Output = Cx<T>;
    fn neg(self) -> Cx<T> {
        Cx { re: -self.re, im: -self.im }
    }
}
impl<T: Real> Div for Cx<T> {
    type Output = Cx<T>;
    fn div(self, o: Cx<T>) -> Cx<T> {
        let norm = o.norm_sqr();
        let over = self * o.conj();
        Cx { re: over.re / norm, im: over.im / norm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duals_carry_textbook_derivatives() {
        let x = Dual { v: 0.3, d: 2.0 };
        let one = Dual::of(1.0);
        let pairs = [
            (x.ln(), 0.3f64.ln(), 2.0 / 0.3),
            (x.exp(), 0.3f64.exp(), 2.0 * 0.3f64.exp()),
            (x.exp_m1(), 0.3f64.exp_m1(), 2.0 * 0.3f64.exp()),
            (x.sqrt(), 0.3f64.sqrt(), 1.0 / 0.3f64.sqrt()),
            (one / (x * x), 1.0 / 0.09, -4.0 / 0.027),
            (x.loss_db(), 10f64.powf(-0.015), -0.1 * LN_10 * 10f64.powf(-0.015)),
            (x.sin_cos().0 - x.sin_cos().1, 0.3f64.sin() - 0.3f64.cos(), 2.0 * (0.3f64.cos() + 0.3f64.sin())),
        ];
        for (dual, v, d) in pairs {
            assert!((dual.v - v).abs() < 1e-14 && (dual.d - d).abs() < 1e-12 * d.abs(), "{dual:?} {v} {d}");
        }
    }

    #[test]
    fn ends_of_ranges_have_finite_derivatives() {
        let none = Dual { v: f64::INFINITY, d: 1.0 };
        assert_eq!(none.loss_db(), Dual::of(0.0));
        assert_eq!(none.loss_db_complement(), Dual::of(1.0));
        assert_eq!(Dual { v: 0.0, d: 1.0 }.sqrt(), Dual::of(0.0));
        // 1 - 10^(-x/20) keeps its digits where the loss is small.
        assert!((1e-12f64.loss_db_complement() / (1e-12 * LN_10 / 20.0) - 1.0).abs() < 1e-12);
    }
}
