/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: the time of day for events, and a steady one for durations. */
#ifndef BASE_TIMING_H
#define BASE_TIMING_H

#include <stdint.h>

int64_t timing_now_us(void);    /* microseconds since 1970 */
int64_t timing_steady_ns(void); /* never goes back; zero is arbitrary */
int64_t timing_thread_cpu_ns(void);

#endif
