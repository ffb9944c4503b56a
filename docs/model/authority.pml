/* Who moves the robot, when processes die, stop and go on in any order: for the model checker spin.
 *
 *   console --command--> one of two relays, which may stand still for ever --> robot's gate
 *   console --ask, offer, confirm--> arbiter (may die and come back) --hold, grant--> robot's gate
 *   an attacker repeats any grant that ever left
 *
 * What must hold (assert):
 *   A  what moves the robot is a command of the console that holds it now
 *   B  a console takes the robot from another, which knows that it has it, only after both confirmed
 *   C  and only from a robot that was told to hold before
 *   D  no epoch is accepted twice, whoever repeats what, and whatever forgets what
 *
 * Switches, each on unless it is set to 0: without it, spin finds a way to break the rule.
 *   FENCE    the gate admits the epoch of its session alone                            (rule A)
 *   HOLD     a hand-over begins with a ceiling, on the same ordered line as the grant  (rule C)
 *   PERSIST  the robot's highest epoch outlives its boot (the key of the boot in each grant is a
 *            second lock against the same; it is left out here)                        (rule D)
 *
 *   spin -a -DFENCE=0 authority.pml && cc -O2 -DSAFETY -DVECTORSZ=2048 -o pan pan.c && ./pan
 *
 * The code beside it: safety/seat.py (the arbiter's table), safety/gate.py and
 * teleop/robot/acceptance.py (the gate), safety/store (what outlives a death).
 */

#ifndef FENCE
#define FENCE 1
#endif
#ifndef HOLD
#define HOLD 1
#endif
#ifndef PERSIST
#define PERSIST 1
#endif

#define NOBODY 2
#define EPOCHS 3	/* grants in one run */
#define DEATHS 1	/* of the arbiter, and of the robot */

mtype = { hold, grant };

chan line = [3] of { mtype, byte, byte };	/* arbiter -> robot: what, epoch, console */
chan yes = [1] of { byte };			/* robot -> arbiter: the epoch that it serves */
chan relay[2] = [1] of { byte, byte };		/* console -> robot: epoch, console; what is in */
						/* it may stay there for as long as it likes */

/* The robot. `serves` is its session's epoch, 0 when none. */
byte serves = 0;
byte epoch_max = 0;
byte owner = NOBODY;
bool held = false;

/* What people agreed upon, and what ever left: nobody in here asks for it but the asserts. */
bool confirmed[2];
bool agreed[EPOCHS + 1];
byte granted_to[EPOCHS + 1];
bool accepted[EPOCHS + 1];

/* The store, and the consoles' grants. */
byte stored_epoch = 0;
byte has[2];

/* The last of what left and was not yet heard by the robot. */
#define is_on_its_way (len(line) > 0)

active proctype Arbiter() {
	byte holder = NOBODY, to = NOBODY, next = NOBODY, deaths = 0, epoch, me;
	bool h, t;

end:	do
	/* A console asks for a robot that nobody has. */
	:: atomic { next == NOBODY && holder == NOBODY && serves == 0 &&
		    stored_epoch < EPOCHS ->
		if :: me = 0 :: me = 1 fi;
		next = me;
		epoch = (stored_epoch > epoch_max -> stored_epoch : epoch_max) + 1;
		if
		:: epoch <= EPOCHS -> stored_epoch = epoch	/* in the store before it leaves */
		:: else -> next = NOBODY
		fi
	   };
	   if
	   :: atomic { next != NOBODY -> granted_to[epoch] = next; line!grant(epoch, next) }
	   :: next == NOBODY
	   fi

	/* The holder offers it to the other; the robot is told first. */
	:: atomic { holder != NOBODY && to == NOBODY && next == NOBODY && nfull(line) ->
		to = 1 - holder;
		confirmed[0] = false; confirmed[1] = false;
		h = false; t = false;
#if HOLD
		line!hold(0, 0)
#endif
	   }
	:: atomic { to != NOBODY && next == NOBODY && !h -> h = true; confirmed[holder] = true }
	:: atomic { to != NOBODY && next == NOBODY && !t -> t = true; confirmed[to] = true }
	:: atomic { to != NOBODY && next == NOBODY -> to = NOBODY }	/* withdrawn */

	/* Both have confirmed, the new one asks: the hold is said again, just before the grant. */
	:: atomic { to != NOBODY && next == NOBODY && h && t && len(line) == 0 &&
		    stored_epoch < EPOCHS ->
		next = to;
		epoch = (stored_epoch > epoch_max -> stored_epoch : epoch_max) + 1;
		if
		:: epoch <= EPOCHS ->
			stored_epoch = epoch;
			granted_to[epoch] = next;
			agreed[epoch] = confirmed[0] && confirmed[1];
#if HOLD
			line!hold(0, 0);
#endif
			line!grant(epoch, next)
		:: else -> next = NOBODY; to = NOBODY
		fi
	   }

	/* The robot says yes; the console hears it from here. */
	:: atomic { yes?epoch ->
		if
		:: next != NOBODY && epoch == stored_epoch ->
			holder = next; has[next] = epoch;
			next = NOBODY; to = NOBODY
		:: else
		fi
	   }

	/* The robot has ended the session by itself: it has rebooted. */
	:: atomic { holder != NOBODY && next == NOBODY && serves == 0 ->
		holder = NOBODY; to = NOBODY }

	/* It dies, and comes back with what is in the store and what the robot says. */
	:: atomic { deaths < DEATHS ->
		deaths++;
		to = NOBODY; next = NOBODY; h = false; t = false;
		holder = (serves == 0 -> NOBODY : owner) }
	od
}

proctype Console(byte me) {
end:	do
	:: atomic { has[me] > 0 && nfull(relay[0]) -> relay[0]!has[me], me }	/* it never learns */
	:: atomic { has[me] > 0 && nfull(relay[1]) -> relay[1]!has[me], me }	/* that it has lost it */
	od
}

active proctype Robot() {
	byte e, c, reboots = 0;

end:	do
	:: atomic {
		if :: relay[0]?e, c :: relay[1]?e, c fi;
#if FENCE
		if
		:: e == serves && e > 0 -> assert(c == owner)		/* A */
		:: else
		fi
#else
		assert(serves == 0 || c == owner)			/* A */
#endif
		e = 0; c = 0
	   }
	:: atomic { line?hold(_, _) -> held = true }
	:: atomic { line?grant(e, c) ->
		if
		:: e > epoch_max ->
			assert(!accepted[e]);				/* D */
			if
			:: serves > 0 && owner != c && has[owner] == serves ->
				assert(agreed[e]);			/* B */
				assert(held)				/* C */
			:: else
			fi;
			accepted[e] = true; epoch_max = e; serves = e; owner = c; held = false;
			if :: nfull(yes) -> yes!e :: full(yes) fi
		:: else
		fi;
		e = 0; c = 0
	   }
	/* A ceiling lapses when its source is silent; not within the time that a grant takes. */
	:: atomic { held && !is_on_its_way -> held = false }
	:: atomic { reboots < DEATHS ->
		reboots++; serves = 0; owner = NOBODY; held = false;
#if !PERSIST
		epoch_max = 0
#endif
	   }
	od
}

/* Whoever recorded a grant may say it again, at any time. */
active proctype Attacker() {
	byte e;

end:	do
	:: atomic { nfull(line) && !is_on_its_way ->
		if :: e = 1 :: e = 2 :: e = 3 fi;
		if
		:: granted_to[e] != NOBODY && accepted[e] -> line!grant(e, granted_to[e])
		:: else
		fi;
		e = 0
	   }
	od
}

init {
	atomic {
		granted_to[1] = NOBODY; granted_to[2] = NOBODY; granted_to[3] = NOBODY;
		run Console(0); run Console(1)
	}
}
