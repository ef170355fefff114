/* What went through the link, for people to read. */
#ifndef LINK_STATS_H
#define LINK_STATS_H

#include "end.h"
#include "way.h"

#include <stdio.h>

void stats_print(FILE *to, const struct way ways[2], const struct end ends[2]);

#endif
