/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that are refused at compile time; the Makefile includes this everywhere. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* System headers first, so that their own declarations are not refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atof
#pragma GCC poison gmtime localtime ctime asctime rand srand

#endif
