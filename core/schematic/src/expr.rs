//! Values of expressions such as `${pi * settings.radius}`.

use blackbeam_components::Real;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Constant(f64),
    /// The value of a slot (index into `Flat::slots`); it comes before the slot of the expression.
    Slot(usize),
    /// Function of one argument.
    Call(Function, Box<Expr>),
    /// Operator of two.
    Binary(Operator, Box<Expr>, Box<Expr>),
}

/// A function of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// -x.
    Negate,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Exponential.
    Exp,
    /// Natural logarithm.
    Ln,
    /// Logarithm to the base 10.
    Log10,
    /// Square root.
    Sqrt,
    /// Absolute value.
    Abs,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// +
    Add,
    /// -
    Subtract,
    /// *
    Multiply,
    /// /
    Divide,
    /// ^, ** (exp(y ln x) unless y is a small constant integer)
    Power,
    /// The smaller one.
    Min,
    /// The larger one.
    Max,
}

/// Powers up to this are products.
const MAX_INTEGER_POWER: f64 = 64.0;

impl Expr {
    /// The value, given those of all slots.
    pub fn eval<T: Real>(&self, slots: &[T]) -> T {
        match self {
            Expr::Constant(c) => T::of(*c),
            Expr::Slot(i) => slots[*i],
            Expr::Call(function, x) => function.apply(x.eval(slots)),
            Expr::Binary(operator, x, y) => operator.apply(x.eval(slots), y.eval(slots), as_constant(y)),
        }
    }

    /// The value if no slot is in it.
    pub fn constant(&self) -> Option<f64> {
        let mut slots = false;
        self.visit_slots(&mut |_| slots = true);
        (!slots).then(|| self.eval::<f64>(&[]))
    }

    /// Calls `visit` with every slot in it.
    pub fn visit_slots(&self, visit: &mut impl FnMut(usize)) {
        match self {
            Expr::Constant(_) => {}
            Expr::Slot(i) => visit(*i),
            Expr::Call(_, x) => x.visit_slots(visit),
            Expr::Binary(_, x, y) => {
                x.visit_slots(visit);
                y.visit_slots(visit);
            }
        }
    }
}

fn as_constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Constant(c) => Some(*c),
        Expr::Call(Function::Negate, x) => as_constant(x).map(|c| -c),
        _ => None,
    }
}

impl Function {
    fn apply<T: Real>(self, x: T) -> T {
        match self {
            Function::Negate => -x,
            Function::Sin => x.sin_cos().0,
            Function::Cos => x.sin_cos().1,
            Function::Tan => {
                let (sin, cos) = x.sin_cos();
                sin / cos
            }
            Function::Exp => x.exp(),
            Function::Ln => x.ln(),
            Function::Log10 => x.ln() / T::of(std::f64::consts::LN_10),
            Function::Sqrt => x.sqrt(),
            Function::Abs => {
                if x.value() < 0.0 {
                    -x
                } else {
                    x
                }
            }
        }
    }
}

impl Operator {
    /// `constant` is y if it is written as a constant.
    fn apply<T: Real>(self, x: T, y: T, constant: Option<f64>) -> T {
        match self {
            Operator::Add => x + y,
            Operator::Subtract => x - y,
            Operator::Multiply => x * y,
            Operator::Divide => x / y,
            Operator::Power => power(x, y, constant),
            Operator::Min => {
                if y.value() < x.value() {
                    y
                } else {
                    x
                }
            }
            Operator::Max => {
                if y.value() > x.value() {
                    y
                } else {
                    x
                }
            }
        }
    }
}

fn power<T: Real>(x: T, y: T, constant: Option<f64>) -> T {
    match constant {
        Some(n) if n.fract() == 0.0 && n.abs() <= MAX_INTEGER_POWER => {
            let product = (0..n.abs() as u32).fold(T::of(1.0), |product, _| product * x);
            if n < 0.0 { T::of(1.0) / product } else { product }
        }
        Some(0.5) => x.sqrt(),
        // ln 0 has no derivative, 0^y is flat for y > 1
        _ if x.value() == 0.0 => T::of(0f64.powf(y.value())),
        _ => (y * x.ln()).exp(),
    }
}
