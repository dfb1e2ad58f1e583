//! Calls in the device's element type.

use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Code, Device, Dtype, Matrix, ParameterSet, PluginError, Result,
};

/// One query, forwards or backwards: `x` [rows, from] in, [rows, to] out. An element that the device does not fill is an error.
pub(crate) fn query(
    device: &mut dyn Device,
    dtype: Dtype,
    x: &Matrix,
    to: usize,
    call: &Call,
    backward: bool,
) -> Result<Matrix> {
    let mut y = Matrix::new(x.rows, to, vec![f64::NAN; x.rows * to]);
    let mut ask = |x: ArrayView<'_>, y: ArrayViewMut<'_>| {
        if backward { device.query_backward(x, y, call) } else { device.query(x, y, call) }
    };
    match dtype {
        Dtype::F64 => ask(x.view(), y.view_mut())?,
        Dtype::F32 => {
            let x32 = narrow(&x.data);
            let mut y32 = vec![f32::NAN; y.data.len()];
            let (from, shape) = ([x.rows, x.columns], [y.rows, y.columns]);
            ask(ArrayView::new_f32(&x32, &from), ArrayViewMut::new_f32(&mut y32, &shape))?;
            widen(&y32, &mut y.data);
        }
    }
    finite(&y.data)?;
    Ok(y)
}

/// What several configurations are asked with.
pub(crate) struct Sets<'a> {
    pub bases: [&'a [f64]; 2],
    pub sets: &'a [ParameterSet],
    pub calls: &'a [Call],
    pub x: &'a Matrix,
}

/// Several configurations: [sets x rows, outputs], and what was applied.
pub(crate) fn query_sets(
    device: &mut dyn Device,
    dtype: Dtype,
    asked: &Sets<'_>,
    d_out: usize,
) -> Result<(Matrix, Vec<Applied>)> {
    let Sets { bases, sets, calls, x } = asked;
    let mut y = Matrix::new(sets.len() * x.rows, d_out, vec![f64::NAN; sets.len() * x.rows * d_out]);
    let shape = [sets.len(), x.rows, d_out];
    let applied = match dtype {
        Dtype::F64 => device.query_sets(*bases, sets, calls, x.view(), ArrayViewMut::new(&mut y.data, &shape), true)?,
        Dtype::F32 => {
            let x32 = narrow(&x.data);
            let mut y32 = vec![f32::NAN; y.data.len()];
            let from = ArrayView::new_f32(&x32, &[x.rows, x.columns]);
            let applied =
                device.query_sets(*bases, sets, calls, from, ArrayViewMut::new_f32(&mut y32, &shape), true)?;
            widen(&y32, &mut y.data);
            applied
        }
    };
    finite(&y.data)?;
    Ok((y, applied))
}

/// The sums of answer times cotangent of several configurations.
pub(crate) fn query_scalars(
    device: &mut dyn Device,
    dtype: Dtype,
    asked: &Sets<'_>,
    cotangent: &Matrix,
) -> Result<Vec<f64>> {
    let Sets { bases, sets, calls, x } = asked;
    let mut scalars = vec![f64::NAN; sets.len()];
    match dtype {
        Dtype::F64 => device.query_scalars(*bases, sets, calls, x.view(), cotangent.view(), &mut scalars, false)?,
        Dtype::F32 => {
            let (x32, c32) = (narrow(&x.data), narrow(&cotangent.data));
            let x = ArrayView::new_f32(&x32, &[x.rows, x.columns]);
            let cotangent = ArrayView::new_f32(&c32, &[cotangent.rows, cotangent.columns]);
            device.query_scalars(*bases, sets, calls, x, cotangent, &mut scalars, false)?
        }
    };
    finite(&scalars)?;
    Ok(scalars)
}

/// Exact derivatives: by the inputs, and by the parameters.
pub(crate) fn exact_vjp(
    device: &mut dyn Device,
    dtype: Dtype,
    (x, dy): (&Matrix, &Matrix),
    n_params: usize,
    call: &Call,
) -> Result<(Matrix, Vec<f64>)> {
    let mut dx = Matrix::new(x.rows, x.columns, vec![f64::NAN; x.data.len()]);
    let mut dparams = vec![f64::NAN; n_params];
    match dtype {
        Dtype::F64 => device.exact_vjp(x.view(), dy.view(), dx.view_mut(), &mut dparams, call)?,
        Dtype::F32 => {
            let (x32, dy32) = (narrow(&x.data), narrow(&dy.data));
            let mut dx32 = vec![f32::NAN; dx.data.len()];
            let (from, to) = ([x.rows, x.columns], [dy.rows, dy.columns]);
            let views = (ArrayView::new_f32(&x32, &from), ArrayView::new_f32(&dy32, &to));
            device.exact_vjp(views.0, views.1, ArrayViewMut::new_f32(&mut dx32, &from), &mut dparams, call)?;
            widen(&dx32, &mut dx.data);
        }
    }
    finite(&dx.data)?;
    finite(&dparams)?;
    Ok((dx, dparams))
}

pub(crate) fn finite(y: &[f64]) -> Result<()> {
    match y.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => {
            let message = format!("element {i} of {} was not filled, or is not finite: {}", y.len(), y[i]);
            Err(PluginError::new(Code::NONFINITE, message))
        }
    }
}

fn narrow(from: &[f64]) -> Vec<f32> {
    from.iter().map(|&v| v as f32).collect()
}

fn widen(from: &[f32], to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f64::from(*from);
    }
}
