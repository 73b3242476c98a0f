package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days is a duration on the command line for which time.Duration's units are too small: 400d, or 36h.
type days time.Duration

// String implements pflag.Value.
func (d *days) String() string {
	if v := time.Duration(*d); v%(24*time.Hour) != 0 {
		return v.String()
	}
	return strconv.FormatInt(int64(time.Duration(*d)/(24*time.Hour)), 10) + "d"
}

// Set implements pflag.Value.
func (d *days) Set(text string) error {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is neither a number of days, such as 400d, nor a duration, such as 36h", text)
		}
		*d = days(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is neither a number of days, such as 400d, nor a duration, such as 36h", text)
	}
	*d = days(v)
	return nil
}

// Type implements pflag.Value.
func (d *days) Type() string { return "duration" }
