"""What the report says beside its figures: how they were got, and what they do not show."""

from __future__ import annotations

INTERVALS = """All intervals are exact, of 95 %: of shares Clopper and Pearson's, of numbers of false
alarms Garwood's. They hold for days and instruments drawn like these, not for other attacks."""

J_SCORE = """J's normal score is J as a number of standard deviations of its chi-square distribution: 0 in
the mean if errors were as wide as the sigmas, below 0 where the sigmas are the wider ones. Thresholds,
also J's, come from the clean runs and not from chi-square."""

DETECTED = """Detected: an alarm begins during the attack. One that is up before is counted by itself (up
before) and is no detection. An alarm that begins by chance is not told from one that the attack raises:
how probable that is stands with the detectors."""

DELAY = "A delay of 0 s: at the first false scan."

PLACE = """Of the detected runs in which channels are named and any is false: false by more than one sigma
of its instrument at the scan of the alarm. Chance: as many channels drawn at random. Where many channels are
false most names are hits; a figure is worth what it is above chance. A channel that stands still or is of
before, and that the truth has not left by a sigma, is no hit: freshness names such channels, too."""

CLEAN = """The calibration runs gave the threshold: few alarms there show nothing. Per day, and bound: of
the verification runs; exact, one-sided, of a Poisson number (Garwood 1936). In an attack: the
probability, at that bound, that a false alarm begins during an attack of the usual length and is taken
for a detection."""

IMPACT = """False data alone do nothing to the plant: nobody in the range acts on the estimate. Commands
do. Figures are means of the runs, but for the load de-energised: the largest of any run. De-energised are
loads without voltage that had it in the same run without the attack; not supplied is what they would have
drawn there. Other demand: what all other loads draw more or less because their voltage is another one.
Voltage violated: any load outside ANSI C84.1 Range A, or without voltage."""

ROC = """Each threshold that the verification runs reach makes so many false alarms per day; above it: the
share of the attacked runs detected at it, by the rule of the table. Dashed: one a day. Lines on each
other are drawn a pixel apart."""
