#include "loss.h"

static bool gilbert_elliott(struct loss *loss, struct chance *chance)
{
    if (chance_hits(chance, loss->bad ? loss->to_good : loss->to_bad))
        loss->bad = !loss->bad;
    return chance_hits(chance, loss->bad ? loss->in_bad : loss->in_good);
}

bool loss_next(struct loss *loss, struct chance *chance)
{
    bool lost = chance_hits(chance, loss->random);
    if (loss->to_bad > 0 && gilbert_elliott(loss, chance))
        lost = true;
    if (loss->every > 0 && ++loss->passed >= loss->every) {
        loss->passed = 0;
        lost = true;
    }
    return lost;
}
