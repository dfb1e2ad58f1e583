//! Devices made of arithmetic, with exact derivatives.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses its part

use blackbeam_digital::{DeviceHook, Network, Scalar};
use blackbeam_layers::Layer;
use blackbeam_plugin::{Code, Key, Matrix, PluginError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Devices of 4 inputs and 3 outputs, y = sin(A x); each name has its own A.
pub struct Sines {
    names: Vec<String>,
    /// inputs of the last forward pass, by use
    inputs: Mutex<HashMap<usize, Matrix>>,
    /// added to the outputs of a use
    pub offset: Option<(usize, Matrix)>,
    /// the use whose backward pass fails
    pub fails_backward: Option<usize>,
    pub fails_forward: Option<usize>,
    pub calls: Mutex<Vec<(&'static str, usize)>>,
}

pub const D_IN: usize = 4;
pub const D_OUT: usize = 3;

impl Sines {
    pub fn of<T: Scalar>(network: &Network<T>) -> Self {
        Sines {
            names: network.uses().iter().map(|u| u.name.clone()).collect(),
            inputs: Mutex::default(),
            offset: None,
            fails_backward: None,
            fails_forward: None,
            calls: Mutex::default(),
        }
    }

    pub fn hook(self) -> Arc<dyn DeviceHook> {
        Arc::new(self)
    }

    fn a(&self, use_index: usize) -> impl Fn(usize, usize) -> f64 {
        let key = Key::new(9).named(&self.names[use_index]);
        move |row, column| key.normal((row * D_IN + column) as u64)
    }
}

impl DeviceHook for Sines {
    fn forward(&self, use_index: usize, x: Matrix) -> Result<Matrix, PluginError> {
        self.calls.lock().unwrap().push(("forward", use_index));
        if self.fails_forward == Some(use_index) {
            return Err(PluginError::new(Code::TIMEOUT, "no answer"));
        }
        assert_eq!(x.columns, D_IN);
        let a = self.a(use_index);
        let mut y = Matrix::zeros(x.rows, D_OUT);
        for r in 0..x.rows {
            for i in 0..D_OUT {
                y[(r, i)] = (0..D_IN).map(|j| a(i, j) * x[(r, j)]).sum::<f64>().sin();
            }
        }
        if let Some((at, offset)) = &self.offset
            && *at == use_index
        {
            y.data.iter_mut().zip(offset.data.iter()).for_each(|(y, o)| *y += o);
        }
        self.inputs.lock().unwrap().insert(use_index, x);
        Ok(y)
    }

    fn backward(&self, use_index: usize, grad_y: &Matrix) -> Result<Matrix, PluginError> {
        self.calls.lock().unwrap().push(("backward", use_index));
        if self.fails_backward == Some(use_index) {
            return Err(PluginError::new(Code::BUSY, "not now"));
        }
        let inputs = self.inputs.lock().unwrap();
        let (x, a) = (&inputs[&use_index], self.a(use_index));
        let mut grad_x = Matrix::zeros(x.rows, D_IN);
        for r in 0..x.rows {
            for i in 0..D_OUT {
                let g = grad_y[(r, i)] * (0..D_IN).map(|j| a(i, j) * x[(r, j)]).sum::<f64>().cos();
                (0..D_IN).for_each(|j| grad_x[(r, j)] += g * a(i, j));
            }
        }
        Ok(grad_x)
    }
}

/// Layers from JSON, as in an experiment file.
pub fn layers(text: &str) -> Vec<Layer> {
    serde_json::from_str(text).unwrap()
}

pub fn network<T: Scalar>(text: &str, input_shape: &[usize]) -> Network<T> {
    Network::new(&layers(text), input_shape, &|_| Some((D_IN, D_OUT)), Key::new(5)).unwrap()
}

/// `len` standard normal numbers.
pub fn normals<T: Scalar>(seed: u64, len: usize) -> Vec<T> {
    let mut z = vec![0.0; len];
    Key::new(seed).fill_normal(0, &mut z);
    z.into_iter().map(T::of).collect()
}
