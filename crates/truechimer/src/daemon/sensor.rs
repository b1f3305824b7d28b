//! A temperature sensor: a file of the kernel with thousandths of a degree Celsius in it, as hwmon and thermal zones have
//! them (`Documentation/hwmon/sysfs-interface`, `temp*_input`; `Documentation/driver-api/thermal/sysfs-api`, `temp`).
//!
//! What temperature does to the oscillator is the node's to find out. Here it is read once a minute, and a sensor that
//! does not answer is told of once.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use truechimer_time::{Mono, Span, Time};

/// A sensor is read so often.
const INTERVAL: Span = Span::from_secs(60);

/// No thermometer in a computer shows more than this, in thousandths of a degree.
const MILLIDEGREES_MAX: i32 = 200_000;

/// Such a file has a number in it and no more.
const BYTES_MAX: u64 = 32;

/// A sensor, and when it is read next.
#[derive(Debug)]
pub struct Sensor {
    path: PathBuf,
    due: Time<Mono>,
    is_silent: bool,
}

impl Sensor {
    /// A sensor that has not been read yet.
    pub fn new(path: PathBuf, now: Time<Mono>) -> Self {
        Self { path, due: now, is_silent: false }
    }

    /// When it is to be read next.
    pub fn due(&self) -> Time<Mono> {
        self.due
    }

    /// Thousandths of a degree, if it is time to read them.
    ///
    /// # Errors
    /// A sentence for people, where the sensor does not say anything that makes sense and did so before.
    pub fn read_if_due(&mut self, now: Time<Mono>) -> Result<Option<i32>, String> {
        if now < self.due {
            return Ok(None);
        }
        self.due = now + INTERVAL;
        let was_silent = self.is_silent;
        let reading = self.read();
        self.is_silent = reading.is_err();
        match reading {
            Ok(millidegrees) => Ok(Some(millidegrees)),
            Err(_) if was_silent => Ok(None),
            Err(error) => {
                Err(format!("the temperature cannot be read from {}: {error}", self.path.display()))
            }
        }
    }

    fn read(&self) -> io::Result<i32> {
        let mut text = String::new();
        File::open(&self.path)?.take(BYTES_MAX).read_to_string(&mut text)?;
        let number = text.trim().parse::<i32>();
        let sane = number.ok().filter(|number| (-MILLIDEGREES_MAX..=MILLIDEGREES_MAX).contains(number));
        sane.ok_or_else(|| io::Error::other(format!("{:?} is no temperature", text.trim())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_sensor_is_read_once_a_minute_and_its_silence_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("temp1_input");
        fs::write(&path, "45250\n").expect("written");
        let at = |seconds| Time::from_epoch(Span::from_secs(seconds));
        let mut sensor = Sensor::new(path.clone(), at(100));
        assert_eq!(sensor.read_if_due(at(100)), Ok(Some(45_250)));
        assert_eq!((sensor.read_if_due(at(130)), sensor.due()), (Ok(None), at(160)));
        fs::write(&path, "nonsense").expect("written");
        let told = sensor.read_if_due(at(160)).expect_err("told once");
        assert!(told.contains("\"nonsense\" is no temperature"), "{told}");
        fs::remove_file(&path).expect("removed");
        assert_eq!(sensor.read_if_due(at(220)), Ok(None));
        fs::write(&path, "-40000").expect("written");
        assert_eq!(sensor.read_if_due(at(280)), Ok(Some(-40_000)));
        fs::write(&path, "200001").expect("written");
        assert!(sensor.read_if_due(at(340)).is_err(), "told again after it spoke");
    }
}
