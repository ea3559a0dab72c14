/* RFC 3339 by civil-calendar arithmetic: no locale, no time zone, no libc date. */
#include "synfin/time.h"

#include <stdio.h>

struct civil {
    int64_t year;
    unsigned month, day;
};

/* Days since 1970-01-01 to year, month, day of the proleptic Gregorian calendar, by 400-year eras
 * that begin on 1 March. */
static struct civil civil_from_days(int64_t days)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned day_of_era = (unsigned)(shifted - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;
    unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;
    return (struct civil){(int64_t)year_of_era + era * 400 + (month <= 2), month,
                          day_of_year - (153 * march_month + 2) / 5 + 1};
}

unsigned sf_time_rfc3339(char out[SF_TIME_TEXT], sf_ns t)
{
    int64_t seconds = t / SF_SEC;
    int64_t nanos = t % SF_SEC;
    if (nanos < 0) {
        nanos += SF_SEC;
        seconds -= 1;
    }
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days -= 1;
    }
    struct civil c = civil_from_days(days);
    int n = snprintf(out, SF_TIME_TEXT, "%04lld-%02u-%02uT%02d:%02d:%02d.%09lldZ",
                     (long long)c.year, c.month, c.day, (int)(rest / 3600), (int)(rest / 60 % 60),
                     (int)(rest % 60), (long long)nanos);
    return (unsigned)n;
}
