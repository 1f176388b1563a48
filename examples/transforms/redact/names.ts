/** Invented people: every given name with every family name, either first, makes 8192 patterns. */

export const GIVEN_NAMES =
  "Alba Benno Carla Dario Elena Fabian Greta Hannes Ilka Jonas Katja Lorenz Mirela Nils Odile Pavel Quirin Renate Stefan Tamara Ulrich Vera Wanda Xenia Yannick Zoltan Amira Bruno Celine Damian Edith Florian Gisela Henrik Irena Jasmin Konrad Ludmila Marek Nadja Oskar Petra Rosalie Simone Tobias Ursula Viktor Winona Adelina Bertram Corinna Detlef Estelle Fridolin Gudrun Hedwig Ignaz Josefa Kilian Leonie Manfred Norbert Ottilie Philippa".split(
    " ",
  );

export const FAMILY_NAMES =
  "Abendroth Baumgart Castellan Dornfeld Eichinger Farkasch Grunewald Hollenstein Isenburg Jankovic Kestenholz Lindqvist Marchetti Nordstrom Oberholzer Pellegrin Quandtner Rosenthal Sandoval Tannhuber Umlauft Vanderbeek Weissmann Xylander Youngblood Zimmerling Achterberg Brandauer Corvinus Dahlmann Eschenbach Feuerstein Gantenbein Haverkamp Ingwersen Jorgensen Kaltenbach Lichtblau Morgenroth Niederberger Ostermann Pfefferkorn Querfurth Ravensburg Silbermann Trautwein Unterberg Vogelsang Wiesengrund Zuckermann Altenhofer Birkenfeld Christoffer Drosselmeyer Ehrenreich Fahrenholz Goldammer Hirschberg Immerthal Katzenstein Lautensack Mittenwald Nachtigall Ochsenknecht".split(
    " ",
  );

/** Mild ones, so that this file can be read aloud. */
export const WORDS =
  "blockhead bonehead buffoon dimwit dunderhead fiddlesticks halfwit nincompoop numbskull scoundrel".split(
    " ",
  );
