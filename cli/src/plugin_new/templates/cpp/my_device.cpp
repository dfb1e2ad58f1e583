// my_device: a device library for Blackbeam.
//
// It computes y = gain W x in memory, where W is 4 x 4 and its entries are the parameters, 8 bits each. Put your hardware in
// its place: the class is yours, what stands below it carries calls to it. include/blackbeam_device.h says what each function
// must do.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>

#include "blackbeam_driver.h"

namespace {

constexpr std::size_t N = 4;
constexpr std::size_t N_PARAMS = N * N;
/// Largest step between two values that a parameter can have.
constexpr double LSB = 2.0 / 255.0;

/// What goes wrong, as Blackbeam is to see it.
struct Failure : std::runtime_error {
    bb_status status;
    unsigned flags;
    Failure(bb_status status, unsigned flags, const char *message)
        : std::runtime_error(message), status(status), flags(flags) {}
};

class Hardware {
public:
    explicit Hardware(double gain) : gain_(gain) {
        // Connect to the hardware here.
    }

    /// What was really applied.
    std::array<double, N_PARAMS> write(const double *params) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (std::size_t i = 0; i < N_PARAMS; i++)
            w_[i] = -1.0 + LSB * std::round((std::clamp(params[i], -1.0, 1.0) + 1.0) / LSB);
        return w_;
    }

    void query(const double *x, double *y) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (std::size_t i = 0; i < N; i++) {
            double sum = 0.0;
            for (std::size_t j = 0; j < N; j++)
                sum += w_[N * i + j] * std::clamp(x[j], -1.0, 1.0);
            y[i] = gain_ * sum;
        }
    }

    /// Drives at rest, sources off. Any thread, less than a second, as often as somebody likes.
    void safe_state() {
        std::lock_guard<std::mutex> lock(mutex_);
        w_.fill(0.0);
    }

private:
    std::mutex mutex_;
    double gain_;
    std::array<double, N_PARAMS> w_{};
};

/// No exception may leave the library.
template <typename Call> bb_status guarded(bb_error *error, Call call) noexcept {
    try {
        call();
        return BB_OK;
    } catch (const Failure &failure) {
        return bb_fail(error, failure.status, failure.flags, "%s", failure.what());
    } catch (const std::exception &exception) {
        return bb_fail(error, BB_PANIC, 0, "exception: %s", exception.what());
    } catch (...) {
        return bb_fail(error, BB_PANIC, 0, "an exception of unknown type");
    }
}

} // namespace

struct bb_device {
    Hardware hardware;
};

namespace {

bb_status device_open(const bb_open *open, bb_device **device, bb_error *error) {
    return guarded(error, [&] {
        double gain;
        if (!bb_setting_number(open->settings, "gain", 1.0, &gain) || !(gain > 0.0))
            throw Failure(BB_SETTINGS, BB_STATE_KNOWN, "gain must be a number above 0");
        *device = new bb_device{Hardware(gain)};
    });
}

bb_status device_describe(bb_device *, bb_descriptor *d, bb_error *error) {
    return guarded(error, [&] {
        bb_copy(d->name, BB_NAME_SIZE, "my_device");
        bb_copy(d->firmware, BB_NAME_SIZE, "1");
        bb_copy(d->calibration, BB_NAME_SIZE, "none");
        d->input.width = d->output.width = N;
        d->input.min = -1.0;
        d->input.max = 1.0;
        d->output.max = std::numeric_limits<double>::infinity();
        d->output.min = -d->output.max;
        d->dtype = BB_F64;
        d->structure = BB_LINEAR_IN_X | BB_LOCAL | BB_DETERMINISTIC;
        d->noise = 0.0; // relative to full scale; negative if you do not know
        d->n_params = N_PARAMS;
        if (BB_HAS(bb_descriptor, d, timeouts)) {
            d->timeouts.open_s = 5.0;
            d->timeouts.write_s = 1.0;
            d->timeouts.query_s = 1.0;
        }
        if (d->parameters == nullptr)
            return;
        for (std::size_t i = 0; i < N_PARAMS && i < d->parameter_capacity; i++) {
            bb_parameter &p = d->parameters[i];
            std::snprintf(p.name, BB_NAME_SIZE, "w<%zu.%zu>", i / N, i % N);
            bb_copy(p.unit, BB_UNIT_SIZE, "1");
            p.min = -1.0;
            p.max = 1.0;
            p.initial = i / N == i % N ? 1.0 : 0.0;
            p.resolution = LSB;
            p.kind = BB_KIND_LEVEL;
            p.at_range = BB_AT_RANGE_CLIP;
            p.row = static_cast<uint32_t>(i / N);
            p.column = static_cast<uint32_t>(i % N);
        }
    });
}

bb_status device_write(bb_device *device, bb_write *write, bb_error *error) {
    return guarded(error, [&] {
        if (write->n_params != N_PARAMS)
            throw Failure(BB_SHAPE, BB_STATE_KNOWN, "16 parameters are expected");
        const auto applied = device->hardware.write(write->params);
        std::copy(applied.begin(), applied.end(), write->applied);
        write->written = N_PARAMS;
        write->settle_s = 0.0;
    });
}

bb_status device_query(bb_device *device, bb_query *query, bb_error *error) {
    return guarded(error, [&] {
        const auto *x = static_cast<const double *>(query->input);
        auto *y = static_cast<double *>(query->output);
        for (uint64_t row = 0; row < query->rows; row++)
            device->hardware.query(x + N * row, y + N * row);
        query->written = N * query->rows;
    });
}

bb_status device_health(bb_device *, bb_health *health, bb_error *error) {
    return guarded(error, [&] { health->flags = BB_HEALTH_READY; });
}

bb_status device_safe_state(bb_device *device, bb_error *error) {
    return guarded(error, [&] { device->hardware.safe_state(); });
}

void device_close(bb_device *device) {
    delete device;
}

const void *device_extension(uint32_t) {
    return nullptr;
}

const bb_device_table table = [] {
    bb_device_table t{};
    t.struct_size = sizeof t;
    t.abi_major = BB_ABI_MAJOR;
    t.abi_minor = BB_ABI_MINOR;
    t.name = "my_device";
    t.version = "0.1.0";
    t.licence = "MIT";
    t.summary = "A 4 x 4 matrix in memory.";
    t.settings_schema = R"({"type": "object", "additionalProperties": false, "properties": {
        "gain": {"type": "number", "exclusiveMinimum": 0}}})";
    t.open = device_open;
    t.describe = device_describe;
    t.write_params = device_write;
    t.query = device_query;
    t.health = device_health;
    t.safe_state = device_safe_state;
    t.close = device_close;
    t.get_extension = device_extension;
    return t;
}();

} // namespace

BB_EXPORT const bb_device_table *blackbeam_device_table(void) {
    return &table;
}
